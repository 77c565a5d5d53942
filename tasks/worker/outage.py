"""The main process' checks while Redis is away.

Celery then waits for it outside its event loop, with no timers, for as long as it takes: children that die would not be
replaced, a drain would not end, and no call that hangs would be killed. It only asks once a second whether to stop.
"""

from __future__ import annotations

from celery import Celery
from celery.worker import state
from celery.worker.consumer import consumer

from tasks.worker.lifecycle import WorkerProcess


def install(app: Celery) -> None:
    """Have Celery do the checks of the worker's process when it asks whether to stop."""

    def check_and_maybe_shutdown() -> None:
        process: WorkerProcess = app.switchboard
        for check in process.outage_checks:
            check()
        state.maybe_shutdown()

    consumer.maybe_shutdown = check_and_maybe_shutdown
