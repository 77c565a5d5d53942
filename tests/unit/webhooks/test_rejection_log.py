"""The log of rejected webhooks, which whoever reaches a receiver can fill."""

from __future__ import annotations

import pytest

from webhooks.errors import KeyUnknown, TokenMissing
from webhooks.rejection_log import KEY_LENGTH, MOST_KEYS, RejectionLog


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_kind_is_logged_once_in_a_while_with_the_number_of_those_between(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    log = RejectionLog(interval_seconds=10, clock=clock)
    for _ in range(5):
        log.record(KeyUnknown(), "theirs")
    log.record(TokenMissing(), None)
    clock.now = 11
    log.record(KeyUnknown(), "theirs")
    logged = [
        (record.__dict__["reason"], record.__dict__["key"], record.__dict__["suppressed"]) for record in caplog.records
    ]
    assert logged == [("key_unknown", "theirs", 0), ("token_missing", None, 0), ("key_unknown", "theirs", 4)]


def test_many_invented_keys_fill_neither_the_log_nor_the_memory(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = RejectionLog(interval_seconds=10, clock=clock)
    for round_of in range(3):
        clock.now = round_of * 11.0
        for number in range(1000):
            log.record(KeyUnknown(), f"{number}\n" + "x" * 10_000)
    # A thread of an earlier test, such as a telemetry exporter's, may log meanwhile.
    records = [record for record in caplog.records if record.name == "switchboard.webhooks"]
    assert 0 < len(records) <= 3 * (MOST_KEYS + 1)
    assert all(len(record.__dict__["key"] or "") <= KEY_LENGTH for record in records)
    assert all("\n" not in (record.__dict__["key"] or "") for record in records)
    assert len(log._logged_at) + len(log._suppressed) <= 2 * (MOST_KEYS + 1)
