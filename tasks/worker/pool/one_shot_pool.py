"""A prefork pool whose children answer one call each, and end only when the pool says so.

There are as many as `tasks.worker.pool.spares` says, and not Celery's fixed number.

Celery has a setting for one task a child (`worker_max_tasks_per_child=1`), but its pool offers the next task to the
child that is about to exit, notices the exit with a timer of 5 s, and has a child wait for a second before it exits.
Its children end on SIGTERM, even if it was meant for the worker, and may not start processes. A task that was just sent
is forgotten when the connection to Redis is lost. Overrides of AsynPool and of its children mend all of that. They are
internals: the versions are pinned, and tests/integration/tasks/worker/test_one_shot_children.py and
test_lost_connections.py fail when one of them moves.
"""

from __future__ import annotations

import logging
import math
import multiprocessing.process
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from billiard.common import clear_terminate_handler_fired
from celery import current_app
from celery.concurrency import prefork
from celery.concurrency.asynpool import AsynPool, Worker
from celery.concurrency.prefork import TaskPool

from tasks.settings import cpu, memory
from tasks.worker import stop_signals
from tasks.worker.pool import call_folder, call_processes
from tasks.worker.pool.call_processes import Orphans
from tasks.worker.pool.spares import CALL_START_SECONDS, Children, SparePolicy

REAP_SECONDS = 0.01
SENT_SECONDS = 0.01
"""The time in which a task has been sent to its child. To fork or publish meanwhile would keep its caller waiting."""
LEAST_AT_ONCE = 2

logger = logging.getLogger("switchboard.tasks.worker")

# To multiprocessing; billiard has another one.
_MAIN_PROCESS = multiprocessing.current_process()

# What Celery would do with them in each child: end it, or ignore them.
prefork.WORKER_SIGRESET = {"SIGTTIN", "SIGTTOU", "SIGUSR1"}
prefork.WORKER_SIGIGNORE = set()


class Phase(StrEnum):
    """The phase of a child's life, as the main process knows it.

    STARTING: it has not said yet that it takes tasks. SENT: it was sent a task and has not accepted it.
    FINISHED: its task has returned, or it was retired, and it has not exited.
    """

    STARTING = "starting"
    IDLE = "idle"
    SENT = "sent a task"
    BUSY = "busy"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class PoolChild:
    """A child of the pool. `index`: its place in the pool, which its successor gets."""

    pid: int
    index: int
    phase: Phase


class _Child(Worker):
    def after_fork(self) -> None:
        # billiard's has SIGTERM, SIGHUP and SIGQUIT end the child.
        call_processes.lead(current_app.switchboard.folder)
        call_folder.enter(current_app.switchboard.folder)
        stop_signals.disregard()
        clear_terminate_handler_fired()
        self.inq._writer.close()
        self.outq._reader.close()
        os.register_at_fork(after_in_child=self._let_go)
        _allow_processes()
        self.initializer(*self.initargs)

    def _let_go(self) -> None:
        """Give up the pipes to the pool, in a process that the agent has forked.

        It may outlive the child, and one that its agent forgets to end returns from the task, too.
        """
        null = os.open(os.devnull, os.O_RDWR)
        for end in (self.inq._reader, self.outq._writer):
            os.dup2(null, end.fileno())
        os.close(null)

    def _do_exit(self, pid: int, exitcode: int | None, exc: BaseException | None = None) -> None:
        # billiard's sleeps for a second. There is nothing to wait for: the result is in the pipe already, and the main
        # process notices the exit itself. Nor for threads or processes of the agent: its call is over.
        status = os.EX_OK if exc is None else os.EX_SOFTWARE
        try:
            if self.on_exit is not None:
                self.on_exit(pid, exitcode)
        finally:
            os._exit(status if exitcode is None else exitcode)


class _OneShotAsynPool(AsynPool):
    Worker = _Child

    def __init__(self, processes: int, **options: Any) -> None:
        self._process = current_app.switchboard
        self.orphans = Orphans(self._process.folder)
        settings = self._process.settings.worker
        self.policy = SparePolicy(
            least=settings.spares,
            slots=processes,
            call_mb=settings.call_memory_mb,
            at_once=max(LEAST_AT_ONCE, math.ceil(cpu.cores())),
            read_free_mb=memory.free_mb,
            clock=time.monotonic,
        )
        self.takes_calls: Callable[[], bool] = lambda: True
        self.short_of_memory = False
        self._fork_fails = False
        self._loop: Any = None
        super().__init__(self.policy.plan(Children(), takes_calls=True).start, **options)

    def WorkerProcess(self, worker: Any) -> Any:  # noqa: N802 - AsynPool's name
        process = super().WorkerProcess(worker)
        # billiard's sends SIGTERM.
        process.terminate = lambda: call_processes.kill(process.pid)
        return process

    def register_with_event_loop(self, hub: Any) -> None:
        self._loop = hub
        super().register_with_event_loop(hub)

    def apply_async(self, *arguments: Any, **options: Any) -> Any:
        self.policy.call_started()
        result = super().apply_async(*arguments, **options)
        if self._loop is not None:
            for seconds in (SENT_SECONDS, CALL_START_SECONDS + SENT_SECONDS):
                self._loop.call_later(seconds, self.maintain_pool)
        return result

    def grow(self, n: int = 1) -> None:
        raise ValueError(f"{n} more children are not needed: calls decide. SWITCHBOARD_SPARES is how many are idle")

    def shrink(self, n: int = 1) -> None:
        raise ValueError(f"{n} children less would be started again. SWITCHBOARD_SLOTS is how many there may be")

    def flush(self) -> None:
        """Finish what is half written, as the connection to Redis is lost, and keep all tasks.

        Celery forgets tasks of which no child has said yet that it runs them, as its broker delivers those again. Ours
        delivers once, and a child that was sent a call runs it: it would count as idle, and be sent another one.
        """
        waiting = tuple(self.outbound_buffer)
        sent = {number: job for number, job in self._cache.items() if not job._accepted}
        super().flush()
        self._cache.update(sent)
        self.outbound_buffer.extend(waiting)
        for job in sent.values():
            if job._write_to in self._pool:
                self._busy_workers.add(job._write_to.inqW_fd)
            elif job not in waiting:
                self.outbound_buffer.append(job)

    def on_process_alive(self, pid: int) -> None:
        super().on_process_alive(pid)
        for child in self._pool:
            if child.pid == pid:
                self.policy.child_started(self._process.scoreboard.row(child.index).start_seconds)
        # More may be wanted than start at one time.
        if self._loop is not None:
            self._loop.call_later(SENT_SECONDS, self.maintain_pool)

    def count(self) -> Children:
        """Return how many children there are, by what they do."""
        phases = Counter(map(self.phase, self._pool))
        return Children(
            starting=phases[Phase.STARTING],
            idle=phases[Phase.IDLE],
            busy=phases[Phase.SENT] + phases[Phase.BUSY],
            finished=phases[Phase.FINISHED],
            waiting=len(self.outbound_buffer),
        )

    def _repopulate_pool(self, exitcodes: list[int]) -> None:
        change = self.policy.plan(self.count(), takes_calls=self.takes_calls())
        self.short_of_memory = change.short_of_memory
        if change.retire:
            self._retire(change.retire)
        unused = sum(owner is None for owner in self._queues.values())
        for _ in range(change.start - unused):
            self._queues[self.create_process_queues()] = None
        self._processes = len(self._pool) + change.start
        super()._repopulate_pool(exitcodes)

    def _retire(self, number: int) -> None:
        """End idle children. Celery's way takes one for idle that has a task and has not said yet that it runs it."""
        idle = [child for child in self._pool if self.phase(child) is Phase.IDLE]
        free = [child for child in idle if child.inqW_fd not in self._busy_workers | self._active_writes]
        for child in free[-number:]:
            child.finished = True
            # Nothing is sent to it from here on.
            self._all_inqueues.discard(child.inqW_fd)
            self._loop.remove_writer(child.inqW_fd)
            child.terminate_controlled()

    def _create_worker_process(self, i: int) -> Any:
        self._process.forked_at = time.monotonic()
        try:
            with stop_signals.held():
                child = super()._create_worker_process(i)
        except OSError as error:
            # No memory, or as many processes as the host or the container allows. Billiard would end the worker.
            self._queues[self._find_worker_queues(self._pool.pop())] = None
            if not self._fork_fails:
                logger.error(  # noqa: TRY400 - the reason is enough
                    "no child can be forked; tried again", extra={"error": str(error)}
                )
            self._fork_fails = True
            return None
        self._fork_fails = False
        return child

    def on_job_ready(self, job: object, i: object, obj: object, inqW_fd: int) -> None:  # noqa: N803 - AsynPool's name
        if self._maxtasksperchild != 1:
            super().on_job_ready(job, i, obj, inqW_fd)
        elif (child := self._fileno_to_inq.get(inqW_fd)) is not None:
            child.finished = True

    def phase(self, child: Any) -> Phase:
        """Return what a child, a process of the pool, is doing."""
        if getattr(child, "finished", False):
            return Phase.FINISHED
        if child.inqW_fd not in self._all_inqueues:
            return Phase.STARTING
        jobs = [job for job in self._cache.values() if job._write_to is child]
        if any(job._accepted for job in jobs):
            return Phase.BUSY
        return Phase.SENT if jobs else Phase.IDLE

    def _track_child_process(self, proc: Any, hub: Any) -> None:
        if not hasattr(proc, "_sentinel_poll"):
            # billiard's sentinel is a pipe, which a process that the agent has forked holds open, too.
            with suppress(OSError, AttributeError):
                proc._sentinel_poll = os.pidfd_open(proc.pid)
        # Celery tracks all children again when it is connected to Redis again. One that has exited, and could not be
        # waited for yet, has no sentinel to track: the ValueError would end the worker.
        if getattr(proc, "_sentinel_poll", proc) is None:
            hub.call_later(REAP_SECONDS, self._reap, hub, proc)
        else:
            super()._track_child_process(proc, hub)

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        call_processes.terminate_rest(proc.pid)
        super()._event_process_exit(hub, proc)
        self._reap(hub, proc)

    def _reap(self, hub: Any, proc: Any) -> None:
        # The sentinel may be readable a moment before the child can be waited for.
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
    def slots(self) -> int:
        """The calls that there can be at one time, with the memory that is free now."""
        return int(self._pool.policy.limit(self._pool.count()))

    @property
    def short_of_memory(self) -> bool:
        """True if there would be more children with more memory."""
        return bool(self._pool.short_of_memory)

    def ask_before_growing(self, takes_calls: Callable[[], bool]) -> None:
        """Start more spares than the least only while the worker would take another call."""
        self._pool.takes_calls = takes_calls

    @property
    def pids(self) -> list[int]:
        """The process ids of all children, with and without a task."""
        return [child.pid for child in self._pool._pool]

    @property
    def children(self) -> list[PoolChild]:
        """All children."""
        return [PoolChild(child.pid, child.index, self._pool.phase(child)) for child in self._pool._pool]

    def check_orphans(self, sidecars: set[int]) -> None:
        """End what calls that are over have left. `sidecars`: the worker's other processes."""
        self._pool.orphans.check(sidecars.union(self.pids))

    def on_stop(self) -> None:
        """Stop the pool. No child has a call by now, and one that hangs would be waited for for ever."""
        self._kill_children()
        super().on_stop()

    def on_terminate(self) -> None:
        """Stop the pool at once."""
        self._kill_children()
        super().on_terminate()

    def _kill_children(self) -> None:
        if self._pool is not None:
            for pid in self.pids:
                call_processes.kill(pid)
            self._pool.orphans.kill(set(self.pids))


def _allow_processes() -> None:
    # The pool's children are daemons to multiprocessing, which may start no processes, and it cannot give billiard's
    # secret to those that it spawns. livekit-agents' job process is none either.
    vars(multiprocessing.process)["_current_process"] = _MAIN_PROCESS
