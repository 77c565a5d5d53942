"""The intake gate: it decides whether this worker may take another call out of Redis now."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from tasks.call.drain import Drain
from tasks.worker.intake.load import CpuLoad
from tasks.worker.intake.reservation import Reservations
from tasks.worker.pool import OneShotPool


class Intake(StrEnum):
    """The state of the gate: open, or the reason why it is closed."""

    OPEN = "open"
    NO_SLOT = "no idle slot"
    LOAD = "load over the threshold"
    RESERVED = "load reserved by calls just started"
    DRAINING = "draining"


class IntakeGate:
    """A gate that is open while a child is idle, the worker does not drain, and the load is up to the threshold."""

    def __init__(
        self, pool: OneShotPool, load: CpuLoad, reservations: Reservations, threshold: float, drain: Drain
    ) -> None:
        self._pool = pool
        self._load = load
        self._reservations = reservations
        self._threshold = threshold
        self._drain = drain

    @property
    def intake(self) -> Intake:
        """The state of the gate now. Reservations count as load."""
        if self._drain.begun:
            return Intake.DRAINING
        if self._pool.idle_children <= 0:
            return Intake.NO_SLOT
        if self._load.level > self._threshold:
            return Intake.LOAD
        if self._load.level + self.reserved > self._threshold:
            return Intake.RESERVED
        return Intake.OPEN

    @property
    def reserved(self) -> float:
        """The load that calls just started will add and that `load` does not show yet, in the same unit."""
        return self._reservations.cores / self._load.cores

    @property
    def should_return(self) -> bool:
        """True if a message that was taken after the gate closed goes back to its queue. It always has a slot."""
        return self.intake in {Intake.DRAINING, Intake.LOAD, Intake.RESERVED}

    def reserve(self, task: str) -> None:
        """Reserve a call's share of the load, when its task starts."""
        self._reservations.add(task)

    def guard(self, channel: Any) -> None:
        """Let `channel` start a new BRPOP only while the gate is open.

        One that is under way is always read to its end: a call that Redis has already handed over would otherwise sit
        in the socket, invisible to every worker.
        """
        channel.qos.can_consume = lambda: bool(channel._in_poll) or self.intake is Intake.OPEN
