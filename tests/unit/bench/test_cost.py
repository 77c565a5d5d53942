"""The rows of the cost of calls."""

from __future__ import annotations

from dataclasses import replace

from tests.bench.figures import peers
from tests.bench.figures.cost import Cost, rows
from tests.bench.figures.peers import SHARED, Measured
from tests.bench.providers import Providers
from tests.bench.size import QUICK

COST = Cost(
    live=8,
    idle=320.0,
    cpu=6.0,
    cpu_talking=5.0,
    cpu_emulators=0.3,
    cpu_support=0.1,
    cpu_callers=3.0,
    pss=640.0,
    pss_support=158.0,
    private=[40.0] * 8,
    replies=(),
)
BUILTIN = replace(COST, cpu=8.0, cpu_talking=6.0, live=7)


def test_a_conversation_is_compared_with_the_floor_of_the_same_run() -> None:
    found = {row.figure: row for row in rows({"ours": COST, "builtin": BUILTIN}, 4.0, 8, Providers.CLOUD)}
    over = found["cost: CPU of a call in conversation over the floor"]
    assert (over.ours, over.builtin, over.met) == (1.25, 1.5, True)
    assert found["cost: CPU seconds of the provider emulators beside it"].ours == 0.3


def test_the_goals_are_those_of_the_providers() -> None:
    figure = "cost: CPU seconds of the worker for a minute of a call"
    met = {
        providers: next(
            row for row in rows({"ours": COST, "builtin": BUILTIN}, 4.0, 8, providers) if row.figure == figure
        )
        for providers in Providers
    }
    assert {providers: row.goal.text for providers, row in met.items() if row.goal} == {
        Providers.LOCAL: "≤ 0.90 of built-in",
        Providers.CLOUD: "≤ 0.75 of built-in",
    }


def test_the_memory_of_a_side_with_fewer_calls_is_not_shown_as_that_of_all() -> None:
    found = {row.figure: row for row in rows({"ours": COST, "builtin": BUILTIN}, 4.0, 8, Providers.CLOUD)}
    memory = found["cost: PSS of the worker at 8 live calls"]
    assert (memory.ours, memory.builtin) == (640.0, None)


def test_a_peer_has_its_reason_where_it_has_no_number() -> None:
    measured = Measured([250.0, None], COST, [300.0] * 8, 9, 0.3)
    shared = replace(measured, again=SHARED)
    found = {row.figure: row for row in peers.rows(measured, measured, {"one": shared, "two": "TimeoutError"}, QUICK)}
    again = found["peers: agent's process killed: heard again after"]
    assert (again.ours, again.peers) == (0.3, {"one": SHARED, "two": "TimeoutError"})
    assert found["peers: calls answered, of 2"].peers == {"one": 1.0, "two": "TimeoutError"}
    assert found["peers: PSS more for each live call"].ours == 40.0
