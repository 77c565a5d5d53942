"""When a host carries no more calls."""

from __future__ import annotations

from tests.bench.conversation import Reply
from tests.bench.figures.density import shortest, verdict

GOOD = [Reply(at=float(number), seconds=0.9, lasted=3.0) for number in range(30)]
NONE = Reply(at=31, seconds=float("inf"), lasted=0.0)


def test_callers_who_are_answered_in_time_notice_nothing() -> None:
    assert verdict(GOOD, 3.0) == ""
    assert verdict([], 0.0) == ""


def test_one_slow_answer_of_many_is_not_the_p95() -> None:
    assert verdict([*GOOD, Reply(at=31, seconds=4.0, lasted=3.0)], 3.0) == ""


def test_answers_that_are_slow_to_come_are_noticed() -> None:
    assert verdict([*GOOD, *[Reply(at=31, seconds=1.6, lasted=3.0)] * 2], 3.0) == "slow answers"


def test_answers_that_do_not_come_are_noticed() -> None:
    assert verdict([*GOOD, NONE, NONE], 3.0) == "no answer"


def test_answers_with_gaps_are_noticed() -> None:
    assert verdict([*GOOD, *[Reply(at=31, seconds=0.9, lasted=3.5)] * 2], 3.0) == "gaps"


def test_an_answer_that_never_came_is_not_the_shortest_one() -> None:
    assert shortest([NONE, *GOOD]) == 3.0
    assert shortest([]) == 0.0
