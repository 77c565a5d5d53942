"""A worker's main process, as far as Redis sees it: kombu takes a task, and Celery says what becomes of it."""

from __future__ import annotations

from typing import Any, Self

from celery.events.dispatcher import EventDispatcher
from kombu import Queue

from tasks.celery import app
from tasks.queue.message import TASK
from tasks.settings import Settings
from tests.bench.scaling.fixture import CALLED

SECONDS = 5.0


class Taker:
    """Kombu with the worker's configuration. It blocks the event loop, as it blocks the worker's."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._consumer = connection.Consumer([Queue(CALLED, routing_key=CALLED)], callbacks=[self._received])
        self._events = EventDispatcher(connection, hostname="celery@host", app=app)
        self._taken: Any = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """For this installation."""
        return cls(app.connection_for_read(settings.redis_url.get_secret_value()))

    def __enter__(self) -> Self:
        self._consumer.consume()
        return self

    def __exit__(self, *_: object) -> None:
        # BRPOP may be under way, so that nothing can be said on this connection any more.
        self._connection.collect()

    async def take(self, _: str) -> None:
        """The next task leaves its queue; that a worker has it is noted, and noted as done before its call begins."""
        self._taken = None
        while self._taken is None:
            self._connection.drain_events(timeout=SECONDS)
        self._taken.ack()

    async def tell(self, sid: str) -> None:
        """The events of one task."""
        task = f"{sid}:1"
        shown = {"args": "()", "kwargs": f"{{'room': 'call-tenant-{sid}-1', 'tenant': 'tenant-{sid}', 'attempt': 1}}"}
        self._events.send("task-received", uuid=task, name=TASK, **shown, retries=0, eta=None, expires=None)
        self._events.send("task-started", uuid=task)
        self._events.send("task-succeeded", uuid=task, result="'room finished'", runtime=180.0)

    def _received(self, _: object, message: Any) -> None:
        self._taken = message
