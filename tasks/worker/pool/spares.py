"""The number of children that a worker keeps: one for each call, and warm spares ahead of demand.

A spare costs memory while it waits, and a caller waits while one is started. So there are few where a start is quick:
as many as a burst of BURST calls needs to be answered within BURST_SECONDS, beside those that can be started in that
time. When calls have taken the last one there are twice as many, until it has been quiet for a while.

Three limits hold, of which the intake gate knows nothing but that no spare is idle: the slots, the memory that is free,
and the number of children that start at one time, because many at once are all late.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

BURST, BURST_SECONDS = 8, 1.0
CALL_START_SECONDS = 1.0
"""The time in which a call starts, until its caller hears the agent. To start a child meanwhile would slow it down."""
KNOWN_STARTS = 9
QUIET_SECONDS = 60.0
"""The time after which spares that nothing has needed are fewer again."""
RETIRE_SECONDS = 5.0
"""The time between two of them."""
YOUNG_SECONDS = 10.0
"""The time in which the memory that is free comes to show a call."""
TAKEN_SHARE = 0.25
"""The share of a call's memory that a spare has taken already, at least."""


@dataclass(frozen=True, slots=True)
class Children:
    """The children of a pool, by what they do. `waiting`: tasks that have no child yet.

    `finished`: their task has returned, or they are being retired, and they have not exited.
    """

    starting: int = 0
    idle: int = 0
    busy: int = 0
    finished: int = 0
    waiting: int = 0

    @property
    def total(self) -> int:
        """All processes that there are."""
        return self.starting + self.idle + self.busy + self.finished

    @property
    def spares(self) -> int:
        """The children that are, or will be, free for the next call."""
        return self.starting + self.idle - self.waiting


@dataclass(frozen=True, slots=True)
class Change:
    """The children to start, and the idle ones to retire. `short_of_memory`: more were wanted."""

    start: int = 0
    retire: int = 0
    short_of_memory: bool = False


class SparePolicy:
    """The policy of one worker.

    `least`: spares that there are always, if the limits allow it. `slots`: children at most. `call_mb`: the memory that
    is counted for a call; 0 for no limit. `at_once`: children that start at one time.
    """

    def __init__(
        self,
        *,
        least: int,
        slots: int,
        call_mb: float,
        at_once: int,
        read_free_mb: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._least = least
        self.slots = slots
        self._call_mb = call_mb
        self._at_once = max(1, at_once)
        self._read_free_mb = read_free_mb
        self._clock = clock
        self._starts: deque[float] = deque(maxlen=KNOWN_STARTS)
        self._calls: deque[float] = deque()
        self._more = 0
        self._needed_at = self._retired_at = float("-inf")
        self._ran_out = False

    def child_started(self, seconds: float) -> None:
        """Record the time that a child has taken from its fork until it was idle, as on a quiet host."""
        self._starts.append(seconds)

    def call_started(self) -> None:
        """Record that a call was taken."""
        self._calls.append(self._clock())

    @property
    def wanted_spares(self) -> int:
        """The spares that there should be now."""
        return max(self._least, self._for_a_burst, self._more)

    @property
    def _for_a_burst(self) -> int:
        if not self._starts:
            return 0
        in_time = self._at_once * math.floor(BURST_SECONDS / max(median(self._starts), 0.001))
        return max(0, BURST - in_time)

    def plan(self, children: Children, *, takes_calls: bool) -> Change:
        """Return what to change now. `takes_calls`: the worker would take a call if there was a spare."""
        now = self._clock()
        self._adapt(children, now)
        wanted = self.wanted_spares if takes_calls else self._least
        by_memory = self._by_memory(children)
        start, short_of_memory = self._start(children, wanted, by_memory)
        if self._can_wait(children, now):
            start = 0
        if start or children.idle <= children.waiting or not self._has_too_many(children, now):
            return Change(start, 0, short_of_memory)
        self._retired_at = now
        return Change(0, 1, short_of_memory)

    def limit(self, children: Children) -> int:
        """Return the calls that there can be at one time, with the memory that is free now."""
        by_memory = self._by_memory(children)
        if by_memory == math.inf:
            return self.slots
        # Spares that memory is short of will not become calls.
        staying = children.total - children.finished
        return max(children.busy, min(self.slots, staying + math.floor(by_memory)))

    def _start(self, children: Children, wanted: int, by_memory: float) -> tuple[int, bool]:
        missing = min(wanted - children.spares, self.slots - children.total, self._at_once - children.starting)
        if missing <= 0:
            return 0, False
        # A task that was taken has a child, whatever it costs: nobody else answers it.
        must = min(missing, max(0, -children.spares))
        if by_memory >= missing:
            return missing, False
        return max(must, math.floor(by_memory)), True

    def _can_wait(self, children: Children, now: float) -> bool:
        """Return whether a call is just starting, and a spare is left for the next one."""
        return bool(self._calls) and now - self._calls[-1] < CALL_START_SECONDS and children.idle > children.waiting

    def _has_too_many(self, children: Children, now: float) -> bool:
        # Not sooner: a spare takes memory itself, and would be started again as soon as it is gone.
        if self._read_free_mb() < self._call_mb:
            return True
        return children.spares > self.wanted_spares and now - self._retired_at >= RETIRE_SECONDS

    def _adapt(self, children: Children, now: float) -> None:
        while self._calls and now - self._calls[0] > YOUNG_SECONDS:
            self._calls.popleft()
        is_recent = bool(self._calls) and now - self._calls[-1] <= BURST_SECONDS
        has_run_out = is_recent and children.idle <= children.waiting
        if has_run_out:
            self._needed_at = now
            # Once, until one is idle again: the next look finds the same want.
            if not self._ran_out and self.wanted_spares < BURST:
                self._more = min(BURST, 2 * self.wanted_spares)
        self._ran_out = has_run_out
        if self._more > self._least and now - self._needed_at >= QUIET_SECONDS:
            self._more -= 1
            self._needed_at = now - QUIET_SECONDS + RETIRE_SECONDS

    def _by_memory(self, children: Children) -> float:
        """Return the calls that fit into the free memory beside all children; less than 0 if those do not fit."""
        if not self._call_mb:
            return math.inf
        growing = children.starting + children.idle + min(len(self._calls), children.busy)
        # One call's memory stays free: calls are not all alike.
        return self._read_free_mb() / self._call_mb - growing * (1 - TAKEN_SHARE) - 1
