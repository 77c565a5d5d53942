"""Goals, met and missed."""

from __future__ import annotations

import json

import pytest

from tests.bench.row import (
    Goal,
    Row,
    at_least_factor,
    at_most,
    at_most_factor,
    missed,
    one_hundred_percent,
    within_and_builtin_never,
)

NEVER = None


@pytest.mark.parametrize(
    ("goal", "ours", "builtin", "met"),
    [
        (at_most(15, "ms"), 15.0, None, True),
        (at_most(15, "ms"), 15.1, None, False),
        (at_most(15, "ms"), None, None, False),
        (one_hundred_percent(), 100.0, 40.0, True),
        (one_hundred_percent(), 99.9, 40.0, False),
        (at_most_factor(0.5), 200.0, 400.0, True),
        (at_most_factor(0.5), 201.0, 400.0, False),
        (at_most_factor(0.5), 200.0, None, False),
        (at_least_factor(1.3), 13.0, 10.0, True),
        (at_least_factor(1.3), 12.9, 10.0, False),
        (within_and_builtin_never(1.5, "s"), 1.5, NEVER, True),
        (within_and_builtin_never(1.5, "s"), 1.6, NEVER, False),
        (within_and_builtin_never(1.5, "s"), 1.0, 20.0, False),
        (within_and_builtin_never(1.5, "s"), None, NEVER, False),
    ],
)
def test_a_goal_is_met_only_by_numbers_that_are_there(
    goal: Goal, ours: float | None, builtin: float | None, *, met: bool
) -> None:
    assert Row("figure", "ms", ours, builtin, goal).met is met


def test_a_row_without_a_goal_is_neither_met_nor_missed() -> None:
    assert Row("figure", "ms", 3.0, 1.0).met is None
    assert not missed([Row("figure", "ms", 3.0, 1.0), Row("figure", "ms", 3.0, goal=at_most(3))])
    assert missed([Row("figure", "ms", 3.0, goal=at_most(2))])


def test_there_is_a_ratio_only_to_something() -> None:
    assert Row("figure", "ms", 1.0, 4.0).ratio == 0.25
    assert Row("figure", "ms", 1.0).ratio is None
    assert Row("figure", "calls", 1.0, 0.0).ratio is None


def test_a_peer_has_a_number_or_a_reason() -> None:
    row = Row("f", "s", 1.0, 2.0, peers={"one": 1 / 3, "two": "never", "three": None})
    assert row.as_json()["peers"] == {"one": 0.333, "two": "never", "three": None}
    assert "peers" not in Row("f", "s", 1.0, 2.0).as_json()


def test_a_row_is_an_object_that_json_can_hold() -> None:
    row = Row.of(
        "f", "s", {"ours": 1 / 3, "builtin": None}, within_and_builtin_never(1.5, "s"), {"ours": [1 / 3, None]}
    )
    assert json.loads(json.dumps(row.as_json())) == {
        "figure": "f",
        "unit": "s",
        "ours": 0.333,
        "builtin": None,
        "ratio": None,
        "goal": "≤ 1.5 s, built-in never",
        "met": True,
        "samples": {"ours": [0.333, None]},
    }
