"""The entry of `celery -A tasks.background`. Nothing imports it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import click
from celery import signals
from celery.apps import worker as celery_worker
from celery.worker.consumer import Consumer
from celery.worker.consumer.mingle import Mingle
from kombu.transport.redis import Transport
from redis.exceptions import RedisError

from tasks import logs
from tasks.background import healthcheck
from tasks.background.app import app
from tasks.background.process import BackgroundProcess
from tasks.errors import InvalidSettings
from tasks.settings import LogSettings, Settings

__all__ = ["app"]

UNUSED = {"celery.worker.consumer.gossip:Gossip", "celery.worker.consumer.heart:Heart"}
"""Parts of Celery's worker that speak with other workers and with Flower, by channels of Redis."""


def check_settings() -> None:
    """Check the settings before Celery does. Raises SystemExit with a line for each problem."""
    context = click.get_current_context(silent=True)
    if context is None or "worker" not in {context.invoked_subcommand, context.info_name}:
        return
    try:
        Settings.read()
    except InvalidSettings as error:
        raise SystemExit(str(error)) from None


@signals.setup_logging.connect(weak=False)
def set_up_logging(**_: object) -> None:
    """Log as Switchboard does, in place of Celery's own logging."""
    level = LogSettings.read().level
    logs.set_up(level, process="background worker")
    if level != "DEBUG":
        # Two lines for each task. Its own line says more.
        for name in ("celery.worker.strategy", "celery.app.trace"):
            logging.getLogger(name).setLevel(logging.WARNING)


@signals.celeryd_init.connect(weak=False)
def load_worker(options: dict[str, Any], instance: Any, **_: object) -> None:
    """Load the tasks and start the process, in a worker alone. Raises SystemExit for what it cannot start with."""
    if problems := [*command_line_problems(options)]:
        raise SystemExit("\n".join(problems))
    settings = Settings.read()
    set_up_logging()
    logs.add_fields(worker=instance.hostname)
    instance.quiet = True
    mend_celery()
    task = import_module("tasks.background.task")
    mark = healthcheck.Marker(instance.hostname).mark
    try:
        app.switchboard = BackgroundProcess(settings, task.Publisher(settings), mark)
    except InvalidSettings as error:
        raise SystemExit(str(error)) from None
    app.switchboard.start()


@signals.worker_ready.connect(weak=False)
def start_scheduling(**_: object) -> None:
    """Send nothing to the queue before this worker can take it."""
    app.switchboard.schedule()


@signals.worker_shutting_down.connect(weak=False)
def stop_scheduling(**_: object) -> None:
    """Take no more when a stop signal has come. Celery waits for the tasks that have begun."""
    app.switchboard.stop_scheduling()


@signals.worker_shutdown.connect(weak=False)
def close(**_: object) -> None:
    """Close all connections."""
    app.switchboard.close()


def command_line_problems(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each option that a background worker cannot start with."""
    if options.get("pool") not in {None, "", "threads"} and "thread" not in str(options.get("pool")):
        yield "-P: a background worker has threads, as it has an event loop too; leave the option out"
    if options.get("beat"):
        yield "-B: nothing here is in Celery's schedule; leave the option out"
    if options.get("purge"):
        yield "--purge: what is in the queue would be sent a minute later; leave the option out"


def mend_celery() -> None:
    """Have every error reply of Redis count as a lost connection, log what it says, and leave out what only costs time.

    The worker would exit when Redis answers READONLY or OOM. What is left out is for other workers and for Flower.
    """
    Transport.connection_errors = (*Transport.connection_errors, RedisError)
    Consumer.Blueprint.default_steps = [step for step in Consumer.Blueprint.default_steps if step not in UNUSED]
    Mingle.compatible_transports = set()
    # It writes past `sys.stdout`, so the end of each worker would be two lines that are no JSON.
    celery_worker.safe_say = _log_what_celery_says


def _log_what_celery_says(message: str, _: object = None) -> None:
    logging.getLogger("celery.apps.worker").info(message)


check_settings()
