"""The circuit breaker of a worker: it closes the intake gate when one call after another fails here.

A worker that fails calls at once always has room, so it would take every call, of the queues that others serve too, and
use up their attempts. After some failures in a row it takes none for a while, in which others do; then one, as a trial;
and when that goes well all.

Failures in a row are those of different rooms, without a call between them that went well. They count if they may be
this worker's: a fault of the host or of the LiveKit server, or faults in the calls of two tenants. The faults of one
tenant's agent count alone only where all calls were its own: otherwise it could close the gate for the others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

FAILURES = 3
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 60.0
TRIAL_SECONDS = 20.0
"""A call that has gone on for so long has gone well."""

logger = logging.getLogger("switchboard.tasks.worker")


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed call. `of_host`: the fault is the host's or the LiveKit server's, and not its agent's."""

    room: str
    tenant: str
    reason: str
    of_host: bool


@dataclass(slots=True)
class _Row:
    """Failures in a row, by their rooms."""

    failures: dict[str, Failure] = field(default_factory=dict)

    def is_ours(self, tenants: Collection[str]) -> bool:
        failures = list(self.failures.values())
        if len(failures) < FAILURES:
            return False
        failed = {failure.tenant for failure in failures}
        return all(failure.of_host for failure in failures) or len(failed) > 1 or set(tenants) <= failed


class CircuitBreaker:
    """The breaker of one worker. `started`, `failed` and `update` tell it what happens."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._row = _Row()
        self._tenants: set[str] = set()
        self._started: dict[str, float] = {}
        self._failed: set[str] = set()
        self._pause_seconds = 0.0
        self._open_until = 0.0
        self.reason = ""
        """The reason of the last failure while calls fail, else ""."""

    @property
    def takes_calls(self) -> bool:
        """True while calls may be taken: all, or one as a trial after the pause."""
        if not self.reason:
            return True
        return self._clock() >= self._open_until and not self._started

    def started(self, task: str, tenant: str) -> None:
        """Record that the call of this task has started."""
        self._started[task] = self._clock()
        self._tenants.add(tenant)

    def failed(self, task: str, failure: Failure) -> None:
        """Record that the call of this task has failed."""
        lasted = self._clock() - self._started.pop(task, self._clock())
        if lasted >= TRIAL_SECONDS:
            self._succeed()
            return
        self._row.failures[failure.room] = failure
        if self.reason or self._row.is_ours(self._tenants):
            self._open(failure)

    def update(self, running: Collection[str]) -> None:
        """Record which tasks still run: one that does not, and has not failed, has gone well. Called often."""
        now = self._clock()
        for task, at in list(self._started.items()):
            if task not in running or now - at >= TRIAL_SECONDS:
                del self._started[task]
                self._succeed()

    def _open(self, failure: Failure) -> None:
        self._pause_seconds = min(LONGEST_PAUSE_SECONDS, self._pause_seconds * 2 or FIRST_PAUSE_SECONDS)
        self._open_until = self._clock() + self._pause_seconds
        if not self.reason:
            logger.error(
                "calls fail on this worker; others take them, if there are others",
                extra={"reason": failure.reason, "failures": len(self._row.failures), "seconds": self._pause_seconds},
            )
        self.reason = failure.reason

    def _succeed(self) -> None:
        self._row = _Row()
        self._pause_seconds = 0.0
        if self.reason:
            logger.info("calls go well on this worker again")
            self.reason = ""
