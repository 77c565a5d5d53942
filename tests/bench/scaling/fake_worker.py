"""A fake worker: what a worker's main process sends to Redis when it takes a message, through kombu and Celery."""

from __future__ import annotations

from typing import Any, Self

from celery.events.dispatcher import EventDispatcher
from kombu import Queue

from tasks.queue.app import app
from tasks.queue.message import TASK
from tasks.redis_client import connect_blocking
from tasks.settings import Settings
from tasks.worker.intake.stale_messages import StaleMessages
from tests.bench.scaling.fixture import MEASURED_TIER

SECONDS = 5.0


class FakeWorker:
    """A consumer with the worker's configuration. It blocks the event loop, as in the worker."""

    def __init__(self, connection: Any, stale_messages: StaleMessages) -> None:
        self._connection = connection
        self._stale_messages = stale_messages
        self._consumer = connection.Consumer(
            [Queue(MEASURED_TIER, routing_key=MEASURED_TIER, no_ack=True)], callbacks=[self._on_message]
        )
        self._events = EventDispatcher(connection, hostname="celery@host", app=app)
        self._message: Any = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Connect to the installation of these settings."""
        connection = app.connection_for_read(settings.redis.url.get_secret_value())
        return cls(connection, StaleMessages(connect_blocking(settings.redis)))

    def __enter__(self) -> Self:
        self._consumer.consume()
        return self

    def __exit__(self, *_: object) -> None:
        # Not closed in order: a BRPOP may still be waiting on this connection.
        self._connection.collect()

    async def take_message(self, sid: str) -> None:
        """Take the next message from the queue and look at its room, as a worker does before the call begins."""
        self._message = None
        while self._message is None:
            self._connection.drain_events(timeout=SECONDS)
        assert not self._stale_messages.is_stale(sid, 1)

    async def send_events(self, sid: str) -> None:
        """Send the events of one task."""
        task = f"{sid}:1"
        arguments = {
            "args": "()",
            "kwargs": f"{{'room': 'call-tenant-{sid}-1', 'tenant': 'tenant-{sid}', 'attempt': 1}}",
        }
        self._events.send("task-received", uuid=task, name=TASK, **arguments, retries=0, eta=None, expires=None)
        self._events.send("task-started", uuid=task)
        self._events.send("task-succeeded", uuid=task, result="'room finished'", runtime=180.0)

    def _on_message(self, _: object, message: Any) -> None:
        self._message = message
