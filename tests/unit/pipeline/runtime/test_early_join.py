"""The connection that an agent joins by sends what it has to say at once."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from pipeline.runtime import early_join


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def connection(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    host = "127.0.0.1" if request.param == socket.AF_INET else "::1"
    with (
        socket.create_server((host, 0), family=request.param) as server,
        socket.create_connection(server.getsockname()[:2]) as connection,
    ):
        yield connection


def test_a_connection_that_was_opened_meanwhile_does_not_wait_for_an_acknowledgement(connection: socket.socket) -> None:
    assert connection.fileno() in early_join._sockets()
    assert not connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    early_join._set_no_delay(connection.fileno())
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    # It is still open, and ours.
    connection.send(b"hello")


def test_what_else_was_opened_is_left_alone() -> None:
    reading, writing = os.pipe()
    try:
        assert not early_join._sockets() & {reading, writing}
    finally:
        os.close(reading)
        os.close(writing)
    one, other = socket.socketpair()
    with one, other, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for descriptor in (one.fileno(), datagrams.fileno(), reading):
            early_join._set_no_delay(descriptor)
        one.send(b"hello")
        assert other.recv(5) == b"hello"
