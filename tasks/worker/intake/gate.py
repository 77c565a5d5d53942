"""The intake gate: it decides whether this worker may take another call out of Redis now."""

from __future__ import annotations

import time
from typing import Any

from tasks.call.drain import Drain
from tasks.rooms import Intake
from tasks.worker.breaker import CircuitBreaker
from tasks.worker.intake.load import CpuLoad
from tasks.worker.intake.reservation import Reservations
from tasks.worker.pool.one_shot_pool import OneShotPool
from tasks.worker.start.prewarm_state import PrewarmState

YIELD_SECONDS = 0.5


class IntakeGate:
    """A gate that is open while a child is idle, the worker does not drain, its calls go well, and the load is low."""

    def __init__(
        self,
        pool: OneShotPool,
        load: CpuLoad,
        reservations: Reservations,
        threshold: float,
        drain: Drain,
        breaker: CircuitBreaker,
        prewarm: PrewarmState,
    ) -> None:
        self._pool = pool
        self._load = load
        self._reservations = reservations
        self._threshold = threshold
        self._drain = drain
        self._breaker = breaker
        self._prewarm = prewarm
        self._yields_until = 0.0
        self.is_alone = False
        """True if no other worker could take the calls that fail here: to keep them waiting would mend nothing."""

    @property
    def intake(self) -> Intake:
        """The state of the gate now. Reservations count as load."""
        closed = self._closed
        if closed is not None:
            return closed
        if self._load.level > self._threshold:
            return Intake.LOAD
        if self._load.level + self.reserved > self._threshold:
            return Intake.RESERVED
        return Intake.OPEN

    @property
    def _closed(self) -> Intake | None:
        """The reason that has nothing to do with load, if there is one."""
        if self._drain.begun:
            return Intake.DRAINING
        if not self._breaker.takes_calls and not self.is_alone:
            return Intake.FAILING
        if self._pool.idle_children <= 0:
            return self._no_spare
        return Intake.YIELDING if time.monotonic() < self._yields_until else None

    @property
    def _no_spare(self) -> Intake:
        if self._prewarm.reasons:
            return Intake.PREWARM
        return Intake.MEMORY if self._pool.short_of_memory else Intake.NO_SLOT

    @property
    def would_take(self) -> bool:
        """True if the gate is open, or only closed because no child is idle."""
        if self._drain.begun or not (self._breaker.takes_calls or self.is_alone):
            return False
        return self._load.level + self.reserved <= self._threshold

    @property
    def reserved(self) -> float:
        """The load that calls just started will add and that `load` does not show yet, in the same unit."""
        return self._reservations.cores / self._load.cores

    @property
    def should_return(self) -> bool:
        """True if a message that was taken after the gate closed goes back to its queue.

        With NO_SLOT it has a child soon: one that was idle has died.
        """
        return self.intake in {Intake.DRAINING, Intake.LOAD, Intake.RESERVED, Intake.FAILING, Intake.MEMORY}

    @property
    def problem(self) -> str:
        """The reason in one line if calls fail or children cannot be prewarmed, else ""."""
        if self._breaker.reason:
            return self._breaker.reason
        reasons = self._prewarm.reasons
        return reasons[-1] if reasons else ""

    def yield_call(self) -> None:
        """Take no call for a moment, in which another worker takes the one that was returned for it."""
        self._yields_until = time.monotonic() + YIELD_SECONDS

    def reserve(self, task: str) -> None:
        """Reserve a call's share of the load, when its task starts."""
        self._reservations.add(task)

    def guard(self, channel: Any) -> None:
        """Let `channel` start a new BRPOP only while the gate is open.

        One that is under way is always read to its end: a call that Redis has already handed over would otherwise sit
        in the socket, invisible to every worker.
        """
        channel.qos.can_consume = lambda: bool(channel._in_poll) or self.intake is Intake.OPEN
