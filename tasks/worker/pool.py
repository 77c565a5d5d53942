"""A prefork pool whose children answer one call each.

Celery has a setting for that (`worker_max_tasks_per_child=1`), but its pool offers the next task to the child that is
about to exit, notices the exit with a timer of 5 s, and has a child wait for a second before it exits. Overrides of
AsynPool and of its children avoid all three. They are internals: the versions are pinned, and
tests/integration/tasks/worker/test_one_shot_children.py fails when one of them moves.
"""

from __future__ import annotations

import os
from typing import Any

from celery.concurrency.asynpool import AsynPool, Worker
from celery.concurrency.prefork import TaskPool

REAP_SECONDS = 0.01


class _Child(Worker):
    def _do_exit(self, pid: int, exitcode: int | None, exc: BaseException | None = None) -> None:
        # billiard's sleeps for a second. There is nothing to wait for: the result is in the pipe already, and the main
        # process notices the exit itself.
        status = os.EX_OK if exc is None else os.EX_SOFTWARE
        try:
            if self.on_exit is not None:
                self.on_exit(pid, exitcode)
        finally:
            os._exit(status if exitcode is None else exitcode)


class _OneShotAsynPool(AsynPool):
    Worker = _Child

    def on_job_ready(self, job: object, i: object, obj: object, inqW_fd: int) -> None:  # noqa: N803 - AsynPool's name
        if self._maxtasksperchild != 1:
            super().on_job_ready(job, i, obj, inqW_fd)

    def _track_child_process(self, proc: Any, hub: Any) -> None:
        # Celery tracks all children again when it is connected to Redis again. One that has exited, and could not be
        # waited for yet, has no sentinel to track: the ValueError would end the worker.
        if getattr(proc, "_sentinel_poll", proc) is None:
            hub.call_later(REAP_SECONDS, self._reap, hub, proc)
        else:
            super()._track_child_process(proc, hub)

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        super()._event_process_exit(hub, proc)
        self._reap(hub, proc)

    def _reap(self, hub: Any, proc: Any) -> None:
        # The sentinel is readable a moment before the child can be waited for.
        if proc in self._pool:
            self.maintain_pool()
            hub.call_later(REAP_SECONDS, self._reap, hub, proc)


class OneShotPool(TaskPool):
    """Celery's prefork pool with a fresh child for each task, replaced as soon as it has exited."""

    Pool = _OneShotAsynPool

    @property
    def idle_children(self) -> int:
        """The number of children that are up and have no task, less the tasks that are on their way to one."""
        pool = self._pool
        return len(pool._all_inqueues - pool._busy_workers) - len(pool.outbound_buffer)

    @property
    def pids(self) -> list[int]:
        """The process ids of all children, with and without a task."""
        return [child.pid for child in self._pool._pool]
