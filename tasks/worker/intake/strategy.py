"""Celery's strategy for a task that was taken from Redis: start its call, or return its message.

The gate decides before each BRPOP, but one that is under way goes on for up to a second, and may bring a call after the
load has risen or a drain has begun. Its message goes back to the front of its queue, for a worker that can take it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.strategy import default

from tasks.queue.message import AVOID
from tasks.worker.intake.gate import IntakeGate
from tasks.worker.intake.request import tenant_of
from tasks.worker.lifecycle import WorkerProcess
from tasks.worker.room_actions import return_message

logger = logging.getLogger("switchboard.tasks.worker")


def start_or_return(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Return the handler of a message of `run_room`. `consumer.intake_gate` is set by `tasks.worker.bootsteps`."""
    start = default(task, app, consumer, **options)
    process: WorkerProcess = app.switchboard

    def receive(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any, **rest: Any) -> Any:
        gate: IntakeGate = consumer.intake_gate
        if gate.should_return:
            _, arguments, _ = message.payload
            # If it cannot be returned, a call on a busy worker is better than one that waits for Redis.
            if return_message(arguments["sid"], arguments["attempt"], settings=process.settings):
                ack(logger, consumer.connection_errors)
                return None
        if message.headers.get(AVOID) == consumer.hostname and _yield(message, consumer):
            ack(logger, consumer.connection_errors)
            return None
        process.breaker.started(message.headers["id"], tenant_of(message.headers.get("kwargsrepr")))
        gate.reserve(message.headers["id"])
        return start(message, body, ack, reject, callbacks, **rest)

    return receive


def _yield(message: Any, consumer: Any) -> bool:
    """Return the message for another worker, if one could take it now. Return False if this one has to."""
    if not consumer.other_workers.one_can_take(message.delivery_info["routing_key"]):
        return False
    _, arguments, _ = message.payload
    consumer.intake_gate.yield_call()
    return return_message(arguments["sid"], arguments["attempt"], settings=consumer.app.switchboard.settings)
