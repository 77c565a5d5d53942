"""A connection of the worker's main process that is closed while a child, which has inherited it, lives on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from kombu.asynchronous import Hub, get_event_loop, set_event_loop
from redis.connection import AbstractConnection, ConnectionPool

from ops.stack.redis import RedisServer
from tasks.worker.consumer import _unpolled

POLL_SECONDS = 0.1


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The event loop of a main process, with the connections that it has there."""
    monkeypatch.setattr(AbstractConnection, "disconnect", _unpolled(AbstractConnection.disconnect))
    before = get_event_loop()
    hub = Hub()
    set_event_loop(hub)
    yield hub
    set_event_loop(before)
    hub.close()


def polled(hub: Hub, redis_server: RedisServer) -> Any:
    """A connection that the event loop waits for."""
    connection: Any = ConnectionPool.from_url(redis_server.url).get_connection()
    hub.add_reader(connection._sock, lambda: None)
    assert not hub.poller.poll(POLL_SECONDS)
    return connection


def close_in_a_child(connection: Any) -> None:
    pid = os.fork()
    if not pid:
        connection.disconnect()
        os._exit(os.EX_OK)
    assert os.waitpid(pid, 0)[1] == os.EX_OK


async def test_it_does_not_keep_the_event_loop_busy(hub: Hub, redis_server: RedisServer) -> None:
    connection = polled(hub, redis_server)
    # As in a child, for which it stays open.
    inherited = os.dup(connection._sock.fileno())
    try:
        connection.disconnect()

        assert not hub.poller.poll(POLL_SECONDS)
    finally:
        os.close(inherited)


async def test_a_child_that_closes_it_leaves_the_event_loop_of_its_parent_alone(
    hub: Hub, redis_server: RedisServer
) -> None:
    connection = polled(hub, redis_server)
    close_in_a_child(connection)

    await redis_server.stop()

    # The parent notices the end of the connection.
    assert hub.poller.poll(POLL_SECONDS)
    connection.disconnect()
