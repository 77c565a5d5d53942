"""What the main process does with a task that it has taken from Redis: start its call, or put it back.

The gate decides before each BRPOP, but one that is under way goes on for up to a second, and may bring a call after the
load has risen or a drain has begun. Such a call goes back to the front of its queue, for a worker that can take it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.strategy import default
from redis.exceptions import RedisError

from tasks.settings import Settings
from tasks.worker.intake.gate import IntakeGate
from tasks.worker.room_action import on_rooms

logger = logging.getLogger("switchboard.tasks.worker")


def start_or_put_back(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's strategy of the task `run_room`. `consumer.intake_gate` is set by `tasks.worker.bootsteps`."""
    start = default(task, app, consumer, **options)
    settings = Settings.read()

    def received(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any, **rest: Any) -> Any:
        gate: IntakeGate = consumer.intake_gate
        if gate.puts_back and _put_back(message, settings):
            ack(logger, consumer.connection_errors)
            return None
        gate.hold(message.headers["id"])
        return start(message, body, ack, reject, callbacks, **rest)

    return received


def _put_back(message: Any, settings: Settings) -> bool:
    _, arguments, _ = message.payload
    sid, attempt = arguments["sid"], arguments["attempt"]
    try:
        done = on_rooms(settings, lambda rooms: rooms.put_back(sid, attempt))
    except (RedisError, OSError) as error:
        # A call that starts on a busy worker is better than one that waits for Redis.
        logger.warning("a call was not put back", extra={"sid": sid, "error": type(error).__name__})
        return False
    logger.info("call put back", extra={"sid": sid, "attempt": attempt, "waits": done})
    return True
