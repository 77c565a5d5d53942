from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from tasks.reconcile.wait_estimate import WaitEstimate, mean_lengths
from tasks.rooms import CallRecord, CallState, RoomStore, State, Wait


def record(tenant: str, seconds: float) -> CallRecord:
    steps = {"claimed": 1000, "ended": 1000 + round(seconds * 1000)}
    return CallRecord("1-0", "RM_1", "n", tenant, "premium", 1, "w", "o", "[]", steps)


def wait(position: int, running: int, tenant: str = "acme") -> Wait:
    return Wait("RM_2", "n", tenant, "premium", State.WAITING, position, 2000, running)


@pytest.fixture
def estimate() -> WaitEstimate:
    made = WaitEstimate()
    made._lengths = mean_lengths([record("acme", 30), record("acme", 50), record("bolt", 160)])
    return made


def test_lengths_are_averaged_for_each_tenant_and_tier() -> None:
    records = [record("acme", 30), record("acme", 50), record("bolt", 160)]
    assert mean_lengths(records) == {("tenant", "acme"): 40, ("tier", "premium"): 80, ("tenant", "bolt"): 160}


def test_a_call_that_nobody_could_answer_has_no_length() -> None:
    assert mean_lengths([replace(record("acme", 3), state=CallState.DEAD)]) == {}


@pytest.mark.parametrize(
    ("position", "running", "seconds"), [(1, 4, 10), (2, 2, 40), (3, 2, 60), (1, 1, 40), (5, 1, 210), (30, 1, 1200)]
)
def test_the_wait_is_the_position_times_the_time_between_two_ends_of_calls(
    estimate: WaitEstimate, position: int, running: int, seconds: int
) -> None:
    assert estimate.wait_seconds(wait(position, running)) == seconds


def test_a_tenant_without_records_has_the_lengths_of_its_tier(estimate: WaitEstimate) -> None:
    assert estimate.wait_seconds(wait(1, 2, "new")) == 40


def test_without_running_calls_there_is_no_estimate(estimate: WaitEstimate) -> None:
    assert estimate.wait_seconds(wait(1, 0)) is None
    assert WaitEstimate().wait_seconds(wait(1, 1)) is None


class Records:
    """A fake RoomStore that has only call records."""

    def __init__(self) -> None:
        self.now: list[CallRecord] = []
        self.reads = 0

    async def list_call_records(self, _: int, *, claimed: bool) -> list[CallRecord]:
        assert claimed
        self.reads += 1
        return self.now


async def test_while_a_waiting_room_has_no_estimate_the_records_are_read_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = 100.0
    monkeypatch.setattr("tasks.reconcile.wait_estimate.time.monotonic", lambda: moment)
    records, estimate, waits = Records(), WaitEstimate(), [wait(1, 1)]

    async def reads_at(seconds: float) -> int:
        nonlocal moment
        moment = 100 + seconds
        await estimate.refresh(cast("RoomStore", records), waits)
        return records.reads

    assert [await reads_at(0), await reads_at(1.9)] == [1, 1]
    records.now = [record("acme", 30)]
    assert await reads_at(2) == 2
    assert estimate.wait_seconds(waits[0]) == 30
    # With an estimate, the records are read every ten seconds.
    assert [await reads_at(11.9), await reads_at(12)] == [2, 3]
