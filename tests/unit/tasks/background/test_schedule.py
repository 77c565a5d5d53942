"""The times between tries."""

from __future__ import annotations

from tasks.background.notices.schedule import delay_ms
from tests.integration.tasks.background.office import settings_with

DEFAULT = settings_with(SWITCHBOARD_NOTICE_RETRY_SECONDS="5,60,600,3600,10800,28800,43200").notices


def test_there_are_eight_tries_over_a_day() -> None:
    delays = [delay_ms(DEFAULT, tries) for tries in range(1, 8)]
    total = sum(delay or 0 for delay in delays) / 1000
    assert 0.9 * 86_000 < total < 1.1 * 88_000
    assert delay_ms(DEFAULT, 8) is None


def test_the_times_of_two_calls_differ() -> None:
    assert len({delay_ms(DEFAULT, 7) for _ in range(20)}) > 10


def test_a_backend_may_ask_for_a_longer_time_and_not_for_a_shorter_one() -> None:
    assert delay_ms(DEFAULT, 1, wish_seconds=120) == 120_000
    assert (delay_ms(DEFAULT, 4, wish_seconds=1) or 0) > 3_000_000
    assert delay_ms(DEFAULT, 1, wish_seconds=1e9) == 86_400_000
