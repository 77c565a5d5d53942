"""When a host carries no more calls."""

from __future__ import annotations

from tests.bench.conversation import Reply
from tests.bench.figures.density import noticed, usual

GOOD = [Reply(at=float(number), seconds=0.9, lasted=3.0, calls=number) for number in range(1, 31)]


def reply(*, seconds: float = 0.9, lasted: float = 3.0, calls: int = 1) -> Reply:
    return Reply(at=31.0, seconds=seconds, lasted=lasted, calls=calls)


NONE = reply(seconds=float("inf"), lasted=0.0)


def trouble(replies: list[Reply]) -> str | None:
    found = noticed(replies, 3.0)
    return None if found is None else found.what


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
    assert trouble([*GOOD, reply(lasted=3.6), reply(lasted=3.6)]) == "gaps"


def test_it_counts_how_many_calls_there_were_when_it_was_first_noticed() -> None:
    found = noticed([*GOOD, reply(seconds=1.7, calls=9), reply(seconds=1.6, calls=8)], 3.0)
    assert found is not None
    assert found.calls == 8


def test_answers_that_the_jitter_buffer_has_stretched_have_no_gaps() -> None:
    assert trouble([*GOOD, reply(lasted=3.4), reply(lasted=3.4)]) is None


def test_what_is_usual_is_the_median_of_the_answers_that_came() -> None:
    assert usual([*[NONE] * 5, reply(lasted=2.5), reply(lasted=3.0), reply(lasted=9.0)]) == 3.0
    assert usual([]) == 0.0
