"""The trouble at which a host carries no more calls."""

from __future__ import annotations

from tests.bench.conversation import Reply
from tests.bench.figures.density import find_trouble, usual_length

GOOD = [Reply(at=float(number), seconds=0.9, length=3.0, calls=number) for number in range(1, 31)]


def reply(*, seconds: float = 0.9, length: float = 3.0, calls: int = 1) -> Reply:
    return Reply(at=31.0, seconds=seconds, length=length, calls=calls)


NONE = reply(seconds=float("inf"), length=0.0)


def trouble(replies: list[Reply]) -> str | None:
    found = find_trouble(replies, 3.0)
    return None if found is None else found.kind


def test_callers_who_are_answered_in_time_notice_nothing() -> None:
    assert trouble(GOOD) is None
    assert trouble([]) is None


def test_one_slow_answer_is_bad_luck() -> None:
    assert trouble([reply(seconds=4.0)]) is None
    assert trouble([*GOOD, reply(seconds=4.0)]) is None


def test_two_of_more_than_forty_are_within_the_p95() -> None:
    assert trouble([*GOOD, *GOOD, reply(seconds=4.0), reply(seconds=4.0)]) is None


def test_answers_that_are_slow_to_come_are_noticed() -> None:
    assert trouble([*GOOD, reply(seconds=1.6), reply(seconds=1.6)]) == "slow answers"


def test_answers_that_do_not_come_are_noticed() -> None:
    assert trouble([*GOOD, NONE, NONE]) == "no answers"


def test_answers_with_gaps_are_noticed() -> None:
    assert trouble([*GOOD, reply(length=3.6), reply(length=3.6)]) == "gaps"


def test_trouble_has_the_lowest_number_of_calls_at_which_it_occurred() -> None:
    found = find_trouble([*GOOD, reply(seconds=1.7, calls=9), reply(seconds=1.6, calls=8)], 3.0)
    assert found is not None
    assert found.calls == 8


def test_answers_that_the_jitter_buffer_has_stretched_have_no_gaps() -> None:
    assert trouble([*GOOD, reply(length=3.4), reply(length=3.4)]) is None


def test_the_usual_length_is_the_median_of_the_answers_that_came() -> None:
    assert usual_length([*[NONE] * 5, reply(length=2.5), reply(length=3.0), reply(length=9.0)]) == 3.0
    assert usual_length([]) == 0.0
