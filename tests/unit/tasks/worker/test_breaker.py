"""The circuit breaker of a worker, by a clock of the test's."""

from __future__ import annotations

from tasks.worker.breaker import (
    FAILURES,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    TRIAL_SECONDS,
    CircuitBreaker,
    Failure,
)
from tasks.worker.pool.call_request import tenant_of


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """A worker's breaker, and calls that end as they are told to."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.breaker = CircuitBreaker(clock=self.clock)
        self._number = 0

    def call(self, tenant: str = "acme") -> str:
        self._number += 1
        task = f"RM_{self._number}:1"
        self.breaker.started(task, tenant)
        return task

    def fail(self, tenant: str = "acme", *, of_host: bool = False, room: str | None = None) -> None:
        task = self.call(tenant)
        self.breaker.failed(task, Failure(room or task, tenant, "because", of_host=of_host))

    def takes_calls(self) -> bool:
        return self.breaker.takes_calls

    def succeed(self, tenant: str = "acme") -> None:
        self.call(tenant)
        self.breaker.update(set())


def test_a_worker_of_one_tenant_takes_no_call_after_some_failures_in_a_row() -> None:
    worker = Worker()
    for _ in range(FAILURES - 1):
        worker.fail()
    assert worker.takes_calls()
    worker.fail()
    assert not worker.takes_calls()
    assert worker.breaker.reason == "because"


def test_a_call_that_goes_well_breaks_the_row() -> None:
    worker = Worker()
    for _ in range(10):
        worker.fail()
        worker.succeed()
    assert worker.takes_calls()


def test_the_attempts_at_one_room_are_one_failure() -> None:
    worker = Worker()
    for _ in range(10):
        worker.fail(room="RM_same")
    assert worker.takes_calls()


def test_one_tenants_agent_does_not_close_the_gate_for_others() -> None:
    worker = Worker()
    worker.succeed("basic")
    for _ in range(10):
        worker.fail("acme")
    assert worker.takes_calls()
    # But those of two tenants in a row are hardly their agents'.
    worker.fail("basic")
    assert not worker.takes_calls()


def test_faults_of_the_host_count_whatever_the_tenant() -> None:
    worker = Worker()
    worker.succeed("basic")
    for _ in range(FAILURES):
        worker.fail("acme", of_host=True)
    assert not worker.takes_calls()


def test_after_a_pause_one_call_is_a_trial_and_a_good_one_opens_the_gate() -> None:
    worker = Worker()
    for _ in range(FAILURES):
        worker.fail()
    worker.clock.now += FIRST_PAUSE_SECONDS
    assert worker.takes_calls()
    trial = worker.call()
    assert not worker.takes_calls()
    worker.breaker.update({trial})
    assert not worker.takes_calls()
    worker.breaker.update(set())
    assert worker.takes_calls()
    assert worker.breaker.reason == ""


def test_a_trial_that_goes_on_has_gone_well() -> None:
    worker = Worker()
    for _ in range(FAILURES):
        worker.fail()
    worker.clock.now += FIRST_PAUSE_SECONDS
    trial = worker.call()
    worker.clock.now += TRIAL_SECONDS
    worker.breaker.update({trial})
    assert worker.takes_calls()
    # A fault after minutes says nothing of the worker.
    worker.breaker.failed(trial, Failure("RM_x", "acme", "late", of_host=True))
    assert worker.takes_calls()


def test_each_trial_that_fails_is_followed_by_a_longer_pause() -> None:
    worker = Worker()
    for _ in range(FAILURES):
        worker.fail()
    pauses = []
    for _ in range(8):
        before = worker.clock.now
        while not worker.takes_calls():
            worker.clock.now += 1
        pauses.append(worker.clock.now - before)
        worker.fail()
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)


def test_the_tenant_of_a_message_is_the_one_that_flower_shows() -> None:
    assert tenant_of("{'room': 'call-1', 'tenant': 'acme', 'tier': 'premium', 'attempt': 1}") == "acme"
    assert [tenant_of(text) for text in (None, "", "...", "[1]", "{'room': 1}")] == [""] * 5
