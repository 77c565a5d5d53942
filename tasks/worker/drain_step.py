"""The drain as a step of Celery's consumer: signals begin it in the place of Celery's shutdown."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

from celery import bootsteps
from celery.worker import state

from tasks.worker.lifecycle import WorkerProcess
from tasks.worker.pool.call_killer import running_calls

CHECK_SECONDS = 0.25
PROGRESS_SECONDS = 10.0
SAME_SIGNAL_SECONDS = 0.2
"""A signal that comes so soon after another is the same one: a wrapper in the process group has passed it on."""

BEGIN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

logger = logging.getLogger("switchboard.tasks.worker")


class DrainStep(bootsteps.StartStopStep):
    """The drain: it begins with a signal, and the worker stops when its calls have left.

    Celery's own warm shutdown leaves its event loop at once: for as long as the last call takes, a child that dies
    would go unnoticed, and no heartbeat would be sent.
    """

    requires = ("tasks.worker.bootsteps:IntakeStep",)

    def __init__(self, consumer: Any, **kwargs: object) -> None:
        super().__init__(consumer, **kwargs)
        process: WorkerProcess = consumer.app.switchboard
        self._process = process
        self._drain = process.drain
        self._seconds = process.settings.worker.drain_seconds
        self._pool = consumer.pool
        consumer.chores.append(self._tick)
        self._timer: Any = None
        self._signal: str | None = None
        self._signalled_at = 0.0
        self._calls = 0
        self._said_forced = False
        self._progress_due = 0.0

    def start(self, consumer: Any) -> None:
        """Take the signals over, and start the timer."""
        for number in BEGIN_SIGNALS:
            signal.signal(number, self._begin_or_force)
        if self._process.ignores_hangup:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGQUIT, self._force)
        self._timer = consumer.hub.call_repeatedly(CHECK_SECONDS, self._tick)

    def stop(self, consumer: Any) -> None:
        """Stop the timer, when the connection is lost or the worker stops."""
        del consumer
        if self._timer is not None:
            self._timer.cancel()

    # The handlers do not log: they may have interrupted a line that is being written.
    def _begin_or_force(self, number: int, frame: object) -> None:
        now = time.monotonic()
        if not self._drain.begun:
            self._signalled_at = now
            self._signal = signal.Signals(number).name
            self._calls = len(state.reserved_requests)
            self._drain.begin(self._seconds)
        elif now - self._signalled_at > SAME_SIGNAL_SECONDS:
            self._force(number, frame)
        self._check()

    def _force(self, number: int, _: object) -> None:
        self._signal = self._signal or signal.Signals(number).name
        if not self._drain.forced:
            self._calls = len(state.reserved_requests)
        self._drain.force()
        self._check()

    def _tick(self) -> None:
        if self._drain.begun:
            self._report()
            self._check()

    def _report(self) -> None:
        """Log what is waited for, for how long at most, and what can be done about it."""
        now = time.monotonic()
        fields = {"calls": self._calls, "at_most_seconds": round(self._drain.seconds_left)}
        if not self._progress_due:
            again = "a second signal hands the calls over to other workers at once"
            logger.info("draining", extra=fields | {"signal": self._signal, "again": again})
            self._progress_due = now + PROGRESS_SECONDS
        if self._drain.forced and not self._said_forced:
            self._said_forced = True
            logger.info("handing calls over at once", extra=fields)
        if now >= self._progress_due and state.reserved_requests:
            logger.info("still draining", extra=fields | {"calls": len(state.reserved_requests)})
            self._progress_due = now + PROGRESS_SECONDS

    def _check(self) -> None:
        if not state.reserved_requests:
            state.should_stop = os.EX_OK
        elif self._drain.overdue:
            for call in running_calls(self._pool):
                self._process.killer.kill(call, "it has ignored the drain")
