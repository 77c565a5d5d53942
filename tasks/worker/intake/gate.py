"""The intake gate: whether this worker may take another call out of Redis now."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.call.drain import Drain
    from tasks.worker.intake.load import CpuLoad
    from tasks.worker.intake.reservation import Reservations
    from tasks.worker.pool import OneShotPool


class Intake(StrEnum):
    """Open, or why not."""

    OPEN = "open"
    NO_SLOT = "no idle slot"
    LOAD = "load over the threshold"
    RESERVED = "load reserved by calls just started"
    DRAINING = "draining"


class IntakeGate:
    """Open while a child is idle, the worker is not draining, and load and reservations are up to the threshold."""

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
        """Why it is closed, or OPEN."""
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
        """What calls just started will add to the load, and what it does not show yet; in the load's unit."""
        return self._reservations.cores / self._load.cores

    @property
    def puts_back(self) -> bool:
        """Whether a call that was taken all the same belongs to another worker. A slot, it has: it was free before."""
        return self.intake in {Intake.DRAINING, Intake.LOAD, Intake.RESERVED}

    def hold(self, task: str) -> None:
        """A task starts, by its id: its call's share of the load is reserved."""
        self._reservations.hold(task)

    def guard(self, channel: Any) -> None:
        """Let `channel` start a new BRPOP only while the gate is open.

        One that is under way is always read to its end: a call that Redis has already handed over would otherwise sit
        in the socket, seen by no worker.
        """
        channel.qos.can_consume = lambda: bool(channel._in_poll) or self.intake is Intake.OPEN
