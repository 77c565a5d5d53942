"""The policy that says how many children a worker keeps, without processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tasks.worker.pool.spares import (
    BURST,
    CALL_START_SECONDS,
    QUIET_SECONDS,
    RETIRE_SECONDS,
    Children,
    SparePolicy,
)

CALL_MB = 64.0
PLENTY_MB = 1e6
QUICK, SLOW = 0.1, 2.0


class Host:
    """A clock and the free memory."""

    def __init__(self, free_mb: float = PLENTY_MB) -> None:
        self.now = 1000.0
        self.free_mb = free_mb

    def policy(
        self, *, least: int = 2, slots: int = 100, call_mb: float = CALL_MB, start: float | None = QUICK
    ) -> SparePolicy:
        policy = SparePolicy(
            least=least,
            slots=slots,
            call_mb=call_mb,
            at_once=2,
            read_free_mb=lambda: self.free_mb,
            clock=lambda: self.now,
        )
        if start is not None:
            policy.child_started(start)
        return policy


@pytest.fixture
def host() -> Host:
    return Host()


def test_a_worker_begins_with_the_least_spares(host: Host) -> None:
    assert host.policy(start=None).plan(Children(), takes_calls=True).start == 2


@pytest.mark.parametrize(("start", "spares"), [(0.1, 2), (0.25, 2), (0.3, 2), (0.5, 4), (1.0, 6), (2.0, 8)])
def test_the_longer_a_start_takes_the_more_spares_a_burst_needs(host: Host, start: float, spares: int) -> None:
    assert host.policy(start=start).wanted_spares == spares


def test_one_slow_start_of_many_changes_nothing(host: Host) -> None:
    policy = host.policy()
    for seconds in (QUICK, QUICK, 30.0):
        policy.child_started(seconds)
    assert policy.wanted_spares == 2


def test_no_more_children_start_at_one_time_than_there_are_cores(host: Host) -> None:
    policy = host.policy(start=SLOW)
    assert policy.plan(Children(idle=1), takes_calls=True).start == 2
    assert policy.plan(Children(idle=1, starting=1), takes_calls=True).start == 1
    assert policy.plan(Children(idle=1, starting=2), takes_calls=True).start == 0


def test_calls_that_take_the_last_spare_double_the_spares_once_until_one_is_idle_again(host: Host) -> None:
    policy = host.policy()
    policy.call_started()
    assert policy.plan(Children(busy=2), takes_calls=True).start == 2
    assert policy.wanted_spares == 4
    policy.plan(Children(busy=2, starting=2), takes_calls=True)
    assert policy.wanted_spares == 4
    policy.plan(Children(busy=2, idle=2), takes_calls=True)
    policy.call_started()
    policy.plan(Children(busy=4, starting=2), takes_calls=True)
    assert policy.wanted_spares == BURST


def test_no_child_is_started_beside_a_call_that_is_starting_while_a_spare_is_left(host: Host) -> None:
    policy = host.policy()
    policy.call_started()
    assert policy.plan(Children(idle=1, busy=1), takes_calls=True).start == 0
    host.now += CALL_START_SECONDS
    assert policy.plan(Children(idle=1, busy=1), takes_calls=True).start == 1
    policy.call_started()
    assert policy.plan(Children(idle=1, busy=1, waiting=1), takes_calls=True).start == 2


def test_when_it_is_quiet_the_spares_go_one_after_another(host: Host) -> None:
    policy = host.policy()
    policy.call_started()
    policy.plan(Children(busy=2), takes_calls=True)
    host.now += QUIET_SECONDS - 1
    assert policy.plan(Children(idle=4), takes_calls=True).retire == 0
    left = 4
    for _ in range(10):
        host.now += RETIRE_SECONDS
        left -= policy.plan(Children(idle=left), takes_calls=True).retire
    assert left == 2


def test_a_spare_that_a_waiting_task_needs_is_not_retired(host: Host) -> None:
    policy = host.policy(least=1)
    assert policy.plan(Children(idle=3, waiting=3), takes_calls=True).retire == 0
    assert policy.plan(Children(idle=3, waiting=1), takes_calls=True).retire == 1


def test_only_the_least_spares_are_started_while_no_call_would_be_taken(host: Host) -> None:
    policy = host.policy(start=SLOW)
    assert policy.plan(Children(idle=2), takes_calls=False).start == 0
    assert policy.plan(Children(idle=1), takes_calls=False).start == 1
    assert policy.plan(Children(idle=8), takes_calls=False).retire == 0


def test_there_are_never_more_children_than_slots(host: Host) -> None:
    policy = host.policy(slots=3)
    assert policy.plan(Children(busy=2), takes_calls=True).start == 1
    assert policy.plan(Children(busy=2, finished=1), takes_calls=True).start == 0
    assert policy.limit(Children(busy=2, idle=1)) == 3


def test_a_child_is_started_only_with_memory_for_its_call_and_one_more(host: Host) -> None:
    policy = host.policy()
    host.free_mb = 1.9 * CALL_MB
    change = policy.plan(Children(), takes_calls=True)
    assert (change.start, change.short_of_memory) == (0, True)
    host.free_mb = 2.1 * CALL_MB
    change = policy.plan(Children(), takes_calls=True)
    assert (change.start, change.short_of_memory) == (1, True)
    host.free_mb = 3.1 * CALL_MB
    assert policy.plan(Children(), takes_calls=True).start == 2


def test_the_limit_of_calls_is_what_fits_into_the_free_memory(host: Host) -> None:
    policy = host.policy()
    host.free_mb = 10 * CALL_MB
    assert policy.limit(Children()) == 9
    assert policy.limit(Children(busy=5)) == 14
    host.free_mb = 0
    assert policy.limit(Children(busy=5)) == 5
    assert policy.limit(Children(busy=5, idle=2)) == 5


def test_calls_that_have_just_begun_are_counted_before_the_memory_shows_them(host: Host) -> None:
    policy = host.policy()
    host.free_mb = 4.1 * CALL_MB
    assert policy.plan(Children(busy=4), takes_calls=True).start == 2
    for _ in range(4):
        policy.call_started()
    assert policy.plan(Children(busy=4), takes_calls=True).start == 0
    host.now += 11
    assert policy.plan(Children(busy=4), takes_calls=True).start == 2


def test_a_task_that_was_taken_gets_a_child_also_when_memory_is_short(host: Host) -> None:
    host.free_mb = 0
    change = host.policy().plan(Children(busy=3, waiting=1), takes_calls=True)
    assert (change.start, change.retire) == (1, 0)


def test_spares_are_given_up_one_by_one_when_the_memory_of_a_last_call_is_taken(host: Host) -> None:
    policy = host.policy()
    host.free_mb = CALL_MB - 1
    assert policy.plan(Children(idle=2, busy=3), takes_calls=True).retire == 1
    host.free_mb = CALL_MB
    assert policy.plan(Children(idle=1, busy=3), takes_calls=True).retire == 0


def test_without_a_memory_of_a_call_memory_is_no_limit(host: Host) -> None:
    host.free_mb = 0
    policy = host.policy(call_mb=0)
    assert policy.plan(Children(), takes_calls=True).start == 2
    assert policy.limit(Children()) == 100


@pytest.mark.parametrize("spare_mb", [16.0, 32.0, 60.0])
@pytest.mark.parametrize("calls", [0.5, 1.0, 2.0, 2.5, 3.0, 3.5, 4.0])
def test_where_memory_is_just_enough_no_spare_comes_and_goes(host: Host, spare_mb: float, calls: float) -> None:
    policy = host.policy()
    children, changes = Children(), 0
    for _ in range(20):
        host.free_mb = calls * CALL_MB - children.idle * spare_mb
        change = policy.plan(children, takes_calls=True)
        changes += change.start + change.retire
        children = Children(idle=children.idle + change.start - change.retire)
        host.now += 1
    assert changes <= 2


class Pool(RuleBasedStateMachine):
    """A pool that does as it is told: calls come and end, children die, memory comes and goes."""

    def __init__(self) -> None:
        super().__init__()
        self.host = Host()
        self.slots = 12
        self.policy = self.host.policy(slots=self.slots)
        self.starting = self.idle = self.busy = self.finished = self.waiting = 0
        self.takes_calls = True

    @property
    def children(self) -> Children:
        return Children(self.starting, self.idle, self.busy, self.finished, self.waiting)

    def _look(self) -> None:
        before = self.children
        change = self.policy.plan(before, takes_calls=self.takes_calls)
        assert change.start >= 0
        assert 0 <= change.retire <= max(0, self.idle - self.waiting)
        assert not (change.start and change.retire)
        assert before.total + change.start <= self.slots
        assert self.starting + change.start <= 2
        self.starting += change.start
        self.idle -= change.retire
        self.finished += change.retire

    @rule(seconds=st.floats(0.01, 20))
    def time_passes(self, seconds: float) -> None:
        self.host.now += seconds
        self._look()

    @precondition(lambda self: self.idle > self.waiting)
    @rule()
    def a_call_comes(self) -> None:
        self.policy.call_started()
        self.waiting += 1
        self._look()

    @precondition(lambda self: self.waiting and self.idle)
    @rule()
    def a_task_is_sent(self) -> None:
        self.waiting -= 1
        self.idle -= 1
        self.busy += 1
        self._look()

    @precondition(lambda self: self.starting)
    @rule(seconds=st.floats(0.02, 5))
    def a_child_is_up(self, seconds: float) -> None:
        self.policy.child_started(seconds)
        self.starting -= 1
        self.idle += 1
        self._look()

    @precondition(lambda self: self.busy)
    @rule()
    def a_call_ends(self) -> None:
        self.busy -= 1
        self.finished += 1
        self._look()

    @precondition(lambda self: self.finished)
    @rule()
    def a_child_exits(self) -> None:
        self.finished -= 1
        self._look()

    @precondition(lambda self: self.children.total)
    @rule(data=st.data())
    def a_child_dies(self, data: st.DataObject) -> None:
        kinds = [kind for kind in ("starting", "idle", "busy", "finished") if getattr(self, kind)]
        kind = data.draw(st.sampled_from(kinds))
        setattr(self, kind, getattr(self, kind) - 1)
        self._look()

    @rule(free=st.floats(0, 30))
    def memory_changes(self, free: float) -> None:
        self.host.free_mb = free * CALL_MB
        self._look()

    @rule()
    def the_gate_changes(self) -> None:
        self.takes_calls = not self.takes_calls
        self._look()

    @invariant()
    def every_task_gets_a_child(self) -> None:
        """However short memory is: nothing else would answer it."""
        for _ in range(self.waiting + self.finished + 1):
            self.starting, self.idle = 0, self.idle + self.starting
            self.finished = 0
            self._look()
        assert self.idle + self.starting >= min(self.waiting, self.slots - self.busy)

    @invariant()
    def with_memory_and_time_the_spares_are_there_and_no_more(self) -> None:
        kept = (self.host.free_mb, self.takes_calls)
        self.host.free_mb, self.takes_calls = PLENTY_MB, True
        for _ in range(60):
            self.host.now += 10
            self.starting, self.idle, self.finished = 0, self.idle + self.starting, 0
            self._look()
        wanted = min(self.policy.wanted_spares, self.slots - self.busy - self.waiting)
        assert self.starting + self.idle - self.waiting == wanted
        self.host.free_mb, self.takes_calls = kept


Pool.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPool: Callable[[], object] = Pool.TestCase
