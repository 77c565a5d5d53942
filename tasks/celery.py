"""The Celery app, where `celery -A tasks` finds it."""

from __future__ import annotations

from importlib import import_module

from celery import Celery, signals

from tasks import logs
from tasks.queue import celery_config

__all__ = ["app", "logs"]

app = Celery("switchboard")
app.add_defaults(celery_config.load)


@signals.celeryd_init.connect(weak=False)
def _load_the_task(**_: object) -> None:
    # In workers alone: the task brings the whole pipeline with it, which receivers and Flower do not need.
    import_module("tasks.call.task")
