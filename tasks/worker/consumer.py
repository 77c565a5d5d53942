"""Celery's consumer, for which an error reply of Redis is an outage like silence.

Celery and kombu wait out a Redis that is away. One that answers READONLY, OOM, MISCONF, NOPERM, NOREPLICAS, BUSY or
UNBLOCKED is a mistake of the program to them: the worker would exit, and its calls with it, in the five seconds of a
planned failover. Here every error of redis-py is one of the connection, and the consumer connects again.

It does so only once Redis takes a write. A PING, which is all that kombu asks for, is answered by a replica and by a
Redis without memory too, and Celery would then connect and fail several times a second.
"""

from __future__ import annotations

import functools
import logging
import os
import select
import time
import warnings
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from kombu import Connection
from kombu.asynchronous import get_event_loop
from kombu.transport.redis import MultiChannelPoller, Transport
from redis.connection import AbstractConnection
from redis.exceptions import RedisError

from tasks.errors import RedisUnavailable
from tasks.redis_client import Outage
from tasks.worker import room_actions
from tasks.worker.lifecycle import WorkerProcess
from tasks.worker.pool.one_shot_pool import SENT_SECONDS

RETRY_SECONDS = 0.5
SETTLED_SECONDS = 5.0
"""A connection that fails sooner has failed in its start. Redis takes a write then, and refuses what Celery needs."""

logger = logging.getLogger("switchboard.tasks.worker")
_celery_logger = logging.getLogger("celery.worker.consumer.consumer")


def mend_kombu() -> None:
    """Have kombu count every error of redis-py as a lost connection, and repeat nothing within the event loop.

    Its Sentinel transport inherits the errors. No closed connection is polled, and none is read that has nothing.
    """
    Transport.connection_errors = (*Transport.connection_errors, RedisError)
    Connection.ensure = _once(Connection.ensure)
    connections: Any = AbstractConnection
    connections.disconnect = _unpolled(connections.disconnect)
    MultiChannelPoller.on_readable = _if_readable(MultiChannelPoller.on_readable)
    # It would log each connection, also one that fails at once.
    logging.getLogger("celery.worker.consumer.connection").setLevel(logging.WARNING)


def _once(ensure: Callable[..., Any]) -> Callable[..., Any]:
    """Return `Connection.ensure` with no retries where its caller does not say how many.

    Kombu's default is for ever, with up to 30 s between two. Celery publishes the worker's own heartbeat event so, and
    while Redis is away nothing else in the main process would run. An event that is not published is kept for later.
    """

    @functools.wraps(ensure)
    def ensure_once(
        connection: Connection,
        obj: Any,
        fun: Any,
        errback: Any = None,
        max_retries: int | None = None,
        *args: Any,
        **options: Any,
    ) -> Any:
        return ensure(connection, obj, fun, errback, 0 if max_retries is None else max_retries, *args, **options)

    return ensure_once


def _unpolled(disconnect: Callable[..., None]) -> Callable[..., None]:
    """Return `disconnect` of redis-py's connections with an end of their polling, which kombu asks for too late.

    The kernel forgets a closed socket only when each process has closed it, and children have inherited it. Until the
    last of them ends it is reported as readable, nothing can take it out of the poll any more, and the event loop of
    the main process turns without a pause: https://github.com/celery/kombu/issues/2214.
    """
    owner = os.getpid()

    @functools.wraps(disconnect)
    def disconnect_unpolled(connection: Any, *args: Any, **options: Any) -> None:
        hub, sock = get_event_loop(), connection._sock
        # A child shares the poll of the main process, and has no connection in it.
        if hub is not None and sock is not None and connection.pid == os.getpid() == owner:
            hub.remove(sock)
        disconnect(connection, *args, **options)

    return disconnect_unpolled


def _if_readable(on_readable: Callable[[Any, int], None]) -> Callable[[Any, int], None]:
    """Return `on_readable` of kombu's poller, which does nothing while this number's connection has nothing to read.

    An event may be of an earlier connection with the same number. To read then would stop the event loop: for 5 s, or,
    of the connection for broadcasts, to which redis-py gives no timeout, until somebody sends one.
    """

    @functools.wraps(on_readable)
    def on_readable_indeed(poller: Any, fileno: int) -> None:
        look = select.poll()
        look.register(fileno, select.POLLIN)
        if look.poll(0):
            on_readable(poller, fileno)

    return on_readable_indeed


class PatientConsumer(Consumer):
    """Celery's consumer, connected only while Redis takes writes.

    `outage`: that of the worker's main process. `chores`: what that has to do all the time and can do without Redis.
    While the consumer waits, its event loop does not run, and so none of its timers.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        process: WorkerProcess = options["app"].switchboard
        self._settings = process.settings
        self.outage = Outage(self._settings.redis.server, logger)
        self.chores: list[Callable[[], None]] = []
        self._connected_at = float("-inf")
        super().__init__(*args, **options)

    def connect(self) -> Any:
        """Connect once Redis takes a write. Celery's shutdown ends the wait."""
        if time.monotonic() - self._connected_at < SETTLED_SECONDS:
            time.sleep(RETRY_SECONDS)
        while not self._takes_a_write():
            time.sleep(RETRY_SECONDS)
            for chore in self.chores:
                chore()
            maybe_shutdown()
        self._connected_at = time.monotonic()
        return super().connect()

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Report the outage, once, where Celery would log each failure."""
        self.outage.failed(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Report the outage, and have Celery close what is left of the connection, without lines of its own."""
        self.outage.failed(exc)
        level = _celery_logger.level
        _celery_logger.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings(action="ignore"):
                super().on_connection_error_after_connected(exc)
        finally:
            _celery_logger.setLevel(level)

    def on_send_event_buffered(self) -> None:
        """Publish the events of tasks a moment later, where Celery would before it sends a task to its child."""
        if self.hub:
            self.hub.call_later(SENT_SECONDS, self._flush_events)

    def shutdown(self) -> None:
        """Publish the last events, and stop."""
        if self.event_dispatcher:
            self.event_dispatcher.flush(errors=False)
        super().shutdown()

    def _takes_a_write(self) -> bool:
        try:
            room_actions.prove_write(self._settings)
        except RedisUnavailable as error:
            self.outage.failed(error)
            return False
        return True
