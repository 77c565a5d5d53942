"""Celery's strategy for a message that was taken from Redis: start its call, return it, or drop it.

A message whose room no longer waits for it is dropped before it costs a child. There are few: a room takes its message
out of its queue when it leaves it, so it was on its way at that moment, or had been thought lost.

The gate decides before each BRPOP, but one that is under way goes on for up to a second, and may bring a call after the
load has risen or a drain has begun. Its message goes back to the front of its queue, for a worker that can take it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default

from tasks.queue.message import AVOID, UNABLE
from tasks.worker.intake.gate import IntakeGate
from tasks.worker.intake.others import Others
from tasks.worker.intake.stale_messages import StaleMessages
from tasks.worker.lifecycle import WorkerProcess
from tasks.worker.pool.call_request import tenant_of
from tasks.worker.room_actions import delay_room, return_message

logger = logging.getLogger("switchboard.tasks.worker")


def start_or_return(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Return the handler of a message of `run_room`.

    `consumer.intake_gate` and `consumer.stale_messages` are set by `tasks.worker.bootsteps`. The handler raises
    InvalidTaskError, which Celery logs, for a message that names no room.
    """
    start = default(task, app, consumer, **options)
    process: WorkerProcess = app.switchboard

    def receive(message: Any, body: Any, _: Any, reject: Any, callbacks: Any, **rest: Any) -> Any:
        gate: IntakeGate = consumer.intake_gate
        stale: StaleMessages = consumer.stale_messages
        sid, attempt = _room_of(message)
        if stale.is_stale(sid, attempt):
            logger.info("message dropped; its room does not wait for it", extra={"sid": sid, "attempt": attempt})
            return None
        # If it cannot be returned, a call on a busy worker is better than one that waits for Redis.
        if gate.should_return and return_message(sid, attempt, settings=process.settings):
            return None
        if message.headers.get(AVOID) == consumer.hostname and _leave_to_another(message, consumer, sid, attempt):
            return None
        process.breaker.started(message.headers["id"], tenant_of(message.headers.get("kwargsrepr")))
        gate.reserve(message.headers["id"])
        return start(message, body, _acknowledge_nothing, reject, callbacks, **rest)

    return receive


def _leave_to_another(message: Any, consumer: Any, sid: str, attempt: int) -> bool:
    """Leave a call that has failed here to another worker. Return False if this one has to try it again."""
    settings = consumer.app.switchboard.settings
    others: Others = consumer.other_workers.of(message.delivery_info["routing_key"])
    if others is Others.OPEN:
        consumer.intake_gate.yield_call()
        return return_message(sid, attempt, settings=settings)
    # One that is full becomes free, where this one would fail again.
    return (
        others is Others.CLOSED
        and message.headers.get(UNABLE) == consumer.hostname
        and delay_room(sid, attempt, settings=settings)
    )


def _room_of(message: Any) -> tuple[str, int]:
    try:
        _, arguments, _ = message.payload
        return arguments["sid"], arguments["attempt"]
    except (TypeError, ValueError, KeyError):
        problem = "it names no room; only Switchboard sends messages of this task"
        raise InvalidTaskError(problem) from None


def _acknowledge_nothing(*_: object) -> None:
    """Acknowledge nothing: the queue is consumed with `no_ack`, and kombu would ask Redis all the same."""
