"""Connections of the worker's main process that are closed while a child, which has inherited them, lives on."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue
from kombu.asynchronous import Hub, get_event_loop, set_event_loop
from kombu.transport.redis import MultiChannelPoller
from redis.connection import AbstractConnection, ConnectionPool

from ops.stack.redis import RedisServer
from tasks.worker.consumer import _if_readable, _unpolled

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


async def test_an_event_that_is_of_an_earlier_connection_does_not_stop_the_event_loop(
    redis_server: RedisServer,
) -> None:
    heard: list[Any] = []
    queue = Queue("broadcasts", Exchange("broadcasts", type="fanout"))
    on_readable = _if_readable(MultiChannelPoller.on_readable)
    with Connection(redis_server.url) as broker, broker.Consumer(queue, callbacks=[lambda body, _: heard.append(body)]):
        channel, poller = broker.default_channel, broker.transport.cycle
        poller._register_LISTEN(channel)
        # The confirmation of the subscription.
        channel._receive()
        number = channel.subclient.connection._sock.fileno()

        reading = threading.Thread(target=on_readable, args=(poller, number), daemon=True)
        reading.start()
        reading.join(5)
        assert not reading.is_alive()

        with broker.Producer() as producer:
            producer.publish("hello", exchange=queue.exchange)
        while not heard:
            on_readable(poller, number)
        assert heard == ["hello"]
