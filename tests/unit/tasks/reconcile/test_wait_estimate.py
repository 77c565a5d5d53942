from __future__ import annotations

from typing import cast

import pytest

from tasks.reconcile.wait_estimate import Estimate, mean_lengths
from tasks.rooms import CallRecord, RoomStore, State, Wait


def record(tenant: str, seconds: float) -> CallRecord:
    steps = {"claimed": 1000, "ended": 1000 + round(seconds * 1000)}
    return CallRecord("1-0", "RM_1", "n", tenant, "premium", 1, "w", "o", "[]", steps)


def wait(position: int, running: int, tenant: str = "acme") -> Wait:
    return Wait("RM_2", "n", tenant, "premium", State.WAITING, position, 2000, running)


@pytest.fixture
def estimate() -> Estimate:
    made = Estimate()
    made._lengths = mean_lengths([record("acme", 30), record("acme", 50), record("bolt", 160)])
    return made


def test_lengths_are_averaged_for_each_tenant_and_tier() -> None:
    records = [record("acme", 30), record("acme", 50), record("bolt", 160)]
    assert mean_lengths(records) == {("tenant", "acme"): 40, ("tier", "premium"): 80, ("tenant", "bolt"): 160}


@pytest.mark.parametrize(
    ("position", "running", "seconds"), [(1, 4, 10), (2, 2, 40), (3, 2, 60), (1, 1, 40), (5, 1, 210), (30, 1, 1200)]
)
def test_the_wait_is_the_place_in_line_times_the_time_between_two_calls_that_end(
    estimate: Estimate, position: int, running: int, seconds: int
) -> None:
    assert estimate.wait_seconds(wait(position, running)) == seconds


def test_a_tenant_without_records_has_the_lengths_of_its_tier(estimate: Estimate) -> None:
    assert estimate.wait_seconds(wait(1, 2, "new")) == 40


def test_where_nothing_runs_nothing_is_known(estimate: Estimate) -> None:
    assert estimate.wait_seconds(wait(1, 0)) is None
    assert Estimate().wait_seconds(wait(1, 1)) is None


class Records:
    """As much of a RoomStore as is asked."""

    def __init__(self) -> None:
        self.now: list[CallRecord] = []
        self.reads = 0

    async def call_records(self, _: int) -> list[CallRecord]:
        self.reads += 1
        return self.now


async def test_while_nothing_is_known_of_somebody_who_waits_the_records_are_read_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = 100.0
    monkeypatch.setattr("tasks.reconcile.wait_estimate.time.monotonic", lambda: moment)
    records, estimate, waits = Records(), Estimate(), [wait(1, 1)]

    async def reads_at(seconds: float) -> int:
        nonlocal moment
        moment = 100 + seconds
        await estimate.refresh(cast("RoomStore", records), waits)
        return records.reads

    assert [await reads_at(0), await reads_at(1.9)] == [1, 1]
    records.now = [record("acme", 30)]
    assert await reads_at(2) == 2
    assert estimate.wait_seconds(waits[0]) == 30
    # Now that something is known, it is good for ten seconds.
    assert [await reads_at(11.9), await reads_at(12)] == [2, 3]
