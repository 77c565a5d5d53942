"""The supervisor: every check of the children, each at its own interval."""

from __future__ import annotations

import time

from redis import Redis

from tasks.redis_client import Outage
from tasks.worker.lifecycle import WorkerProcess
from tasks.worker.pool.call_killer import running_calls
from tasks.worker.pool.one_shot_pool import OneShotPool
from tasks.worker.supervision.call_memory import CallMemory
from tasks.worker.supervision.overdue_children import OverdueChildren
from tasks.worker.supervision.stale_children import StaleChildren

CHECK_SECONDS = 1.0
STALE_CHECK_SECONDS = 2.0
MEMORY_CHECK_SECONDS = 3.0


class Supervisor:
    """All checks of the children, each at its own interval. `check` is called every CHECK_SECONDS."""

    def __init__(
        self,
        process: WorkerProcess,
        pool: OneShotPool,
        redis: Redis,
        outage: Outage,
        *,
        worker: str,
        start_seconds: float,
    ) -> None:
        self._process = process
        self._pool = pool
        self._overdue = OverdueChildren(start_seconds=start_seconds, call_seconds=process.settings.call.max_seconds)
        self._stale = StaleChildren(
            redis,
            outage,
            process.killer,
            process.scoreboard,
            worker=worker,
            upload_seconds=process.settings.recordings.upload_seconds,
        )
        self._memory = CallMemory(process.scoreboard, process.killer)
        self._stale_due = self._memory_due = 0.0

    def check(self) -> None:
        """Do the checks that are due."""
        self.check_without_redis()
        now = time.monotonic()
        if now >= self._stale_due:
            self._stale_due = now + STALE_CHECK_SECONDS
            self._stale.check(running_calls(self._pool))

    def check_without_redis(self) -> None:
        """Do the checks that are due and do not need Redis."""
        self._pool.check_orphans(self._process.sidecar_pids)
        self._overdue.check(self._pool.children)
        now = time.monotonic()
        if now >= self._memory_due:
            self._memory_due = now + MEMORY_CHECK_SECONDS
            self._memory.check(running_calls(self._pool))
