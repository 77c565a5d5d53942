"""Overdue children: they do not start, accept their task, exit, or end the longest call within their time.

Such a child holds a slot, and a stopped or hung one will do so for ever. Redis is not asked: see `stale_children` for
what it knows. A task that was sent to a child and not accepted goes to another one when the child is killed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping

from tasks.worker.pool import call_processes
from tasks.worker.pool.one_shot_pool import Phase, PoolChild

ACCEPT_SECONDS = 8.0
EXIT_SECONDS = 5.0
ENDING_SECONDS = 300.0
"""The time in which a call of the maximum length has to have begun and ended, beside it."""

logger = logging.getLogger("switchboard.tasks.worker")


class OverdueChildren:
    """The children of a worker that are overdue. They are killed.

    `start_seconds`: the time for a child's start, with the agent's prewarm. `call_seconds`: the maximum length of a
    call.
    """

    def __init__(self, *, start_seconds: float, call_seconds: float) -> None:
        self._limits: Mapping[Phase, float] = {
            Phase.STARTING: start_seconds,
            Phase.SENT: ACCEPT_SECONDS,
            Phase.BUSY: call_seconds + ENDING_SECONDS,
            Phase.FINISHED: EXIT_SECONDS,
        }
        self._since: dict[tuple[int, Phase], float] = {}
        self._logged: set[int] = set()

    def check(self, children: Iterable[PoolChild]) -> None:
        """Compare the children with their limits."""
        now = time.monotonic()
        phases = {(child.pid, child.phase) for child in children}
        self._since = {each: self._since.get(each, now) for each in phases}
        overdue = {pid: phase for (pid, phase), since in self._since.items() if now - since > self._limit(phase)}
        self._logged &= overdue.keys()
        for pid, phase in overdue.items():
            if pid not in self._logged:
                self._logged.add(pid)
                fields = {"pid": pid, "phase": phase, "limit_seconds": self._limit(phase)}
                logger.error("killing an overdue child", extra=fields)
            call_processes.kill(pid)

    def _limit(self, phase: Phase) -> float:
        return self._limits.get(phase, float("inf"))
