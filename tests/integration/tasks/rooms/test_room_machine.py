"""Thousands of actions in any order, by workers that are late, twice, or dead: Redis must hold what the model holds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from ops.stack import Binaries, environment
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.rooms import Closed, Found, Lease, Losing, Lost, Refusal
from tests.integration.tasks.rooms.machine import RoomMachine
from tests.integration.tasks.rooms.waitlist_machine import LineMachine

PROFILE = settings(
    derandomize=True,
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def play(binaries: Binaries, tmp_path: Path) -> Callable[[type[RoomMachine]], Counter[object]]:
    """Let a machine play, with a redis-server of its own. Returns which action was answered how, and how often."""

    def played(machine: type[RoomMachine]) -> Counter[object]:
        server = RedisServer(tmp_path, environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick())
        reached: Counter[object] = Counter()
        with asyncio.Runner() as runner:
            runner.run(server.start())
            client = server.client()
            try:
                run_state_machine_as_test(
                    cast("type[RuleBasedStateMachine]", lambda: machine(runner, client, reached)), settings=PROFILE
                )
            finally:
                runner.run(client.aclose())
                runner.run(server.stop())
        return reached

    return played


# A machine that never got there has proved nothing.
def _every(answers: dict[str, Iterable[object]]) -> set[tuple[str, object]]:
    return {(action, answer) for action in answers for answer in answers[action]}


def test_no_order_of_events_forgets_a_room_or_answers_it_twice(
    play: Callable[[type[RoomMachine]], Counter[object]],
) -> None:
    answers: dict[str, Iterable[object]] = {
        "open": set(Found) - {Found.HELD},
        "close": Closed,
        "claim": {None, *Refusal} - {Refusal.WAITING},
        "renew": Lease,
        "find tasks": [0, 1, 2],
        **{f"lose, {how}": Lost for how in (Losing.FAILED, Losing.IF_EXPIRED)},
        # It fails no attempt, so it is seldom the last.
        f"lose, {Losing.HANDED_OVER}": set(Lost) - {Lost.DEAD},
        **dict.fromkeys(("put back", "conversation", "end", "bury", "bury unopened"), (True, False)),
    }
    assert _every(answers) <= play(RoomMachine).keys()


def test_no_order_of_events_exceeds_a_cap_leaks_a_place_or_lets_anybody_in_before_those_who_came_first(
    play: Callable[[type[RoomMachine]], Counter[object]],
) -> None:
    answers: dict[str, Iterable[object]] = {
        "open": Found,
        "close": [Closed.CANCELLED, Closed.CLOSING],
        "claim": [None, Refusal.WAITING],
        "end": [True],
        "set limits": [True, False],
        "end waits": [0, 1, 2],
        "heal": ["nothing", "too many", "too few", "line", "all"],
    }
    assert _every(answers) <= play(LineMachine).keys()
