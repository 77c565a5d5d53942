"""The entry of `celery -A tasks`. Nothing imports it."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any

import click
from celery import signals

from tasks import logs
from tasks.errors import InvalidSettings
from tasks.queue.app import app
from tasks.settings import LogSettings, Settings, check_celery_settings

__all__ = ["app"]


def _is_worker() -> bool:
    """Tell whether this process becomes a worker. Its command is known before and after Celery has begun with it."""
    context = click.get_current_context(silent=True)
    return context is not None and "worker" in {context.invoked_subcommand, context.info_name}


def check_settings() -> None:
    """Check the settings that this command reads, before Celery does. Raises SystemExit with a line for each problem.

    A worker needs all settings. Flower and remote control have no secrets of the LiveKit server.
    """
    try:
        if _is_worker():
            Settings.read()
        else:
            check_celery_settings()
    except InvalidSettings as error:
        raise SystemExit(str(error)) from None


@signals.setup_logging.connect(weak=False)
def set_up_logging(**_: object) -> None:
    """Log as Switchboard does, in place of Celery's own logging."""
    # A worker has done it: see below.
    if not _is_worker():
        logs.set_up(LogSettings.read().level)


@signals.celeryd_init.connect(weak=False)
def load_worker(conf: Any, options: dict[str, Any], instance: Any, **_: object) -> None:
    """Load the worker's own modules and its task, in a worker alone.

    They import the whole pipeline, which takes seconds, and which Flower and remote control do not need. Raises
    SystemExit with a line for each option that a worker cannot start with: Celery would log any Exception, and go on.
    """
    command_line = import_module("tasks.worker.start.command_line")
    if problems := command_line.problems(options, conf, Settings.read().tiers):
        raise SystemExit("\n".join(problems))
    # From here on, because Celery has warnings before it has its own logging.
    logs.set_up(LogSettings.read().level, process="main process")
    logs.add_fields(worker=instance.hostname)
    # Without its banner, which is no line of the log.
    instance.quiet = True
    # A fifth of the imports' time would go into looking for garbage. `lifecycle.start_worker` turns it on again.
    gc.disable()
    import_module("tasks.call.task")
    import_module("tasks.worker.lifecycle")
    import_module("tasks.worker.bootsteps").install(app)


check_settings()
