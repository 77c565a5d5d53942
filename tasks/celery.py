"""The entry of `celery -A tasks`. Nothing imports it."""

from __future__ import annotations

from importlib import import_module

from celery import signals

from tasks import logs
from tasks.queue.app import app
from tasks.settings import LogSettings

__all__ = ["app"]


@signals.setup_logging.connect(weak=False)
def set_up_logging(**_: object) -> None:
    """Log as Switchboard does, in place of Celery's own logging."""
    logs.set_up(LogSettings.read().level)


@signals.celeryd_init.connect(weak=False)
def load_worker(**_: object) -> None:
    """Load the worker's own modules and its task, in a worker alone.

    They import the whole pipeline, which takes seconds, and which Flower and remote control do not need.
    """
    import_module("tasks.call.task")
    import_module("tasks.worker.lifecycle")
    import_module("tasks.worker.bootsteps").install(app)
