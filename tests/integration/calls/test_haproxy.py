"""Calls through the load balancer, with the configuration that operators use."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from ops.stack.binaries import Binaries
from ops.stack.livekit import LiveKitServer
from ops.stack.ports import HOST, PortPicker
from ops.stack.receiver import Receiver
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore
from tests.integration.calls.client import ACME_KEY, Answer, Client, incoming
from tests.support.shipped_haproxy import shipped_haproxy
from tests.support.signed_webhook import sign
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Balanced:
    """A client on each side of the load balancer."""

    webhooks: Client
    calls: Client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def balanced(
    binaries: Binaries, directory: Path, ports: PortPicker, receivers: list[Receiver]
) -> AsyncIterator[Balanced]:
    receiver_ports = [receiver.port for receiver in receivers]
    async with (
        shipped_haproxy(binaries, directory, ports, receiver_ports) as proxy,
        # A kept connection may be closed just when it is used.
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
    ):
        yield Balanced(Client(session, proxy.ports.webhooks), Client(session, proxy.ports.calls))


@pytest.mark.parametrize("path", ["/livekit/webhook", "/metrics", "/readyz", "/healthz", "/docs", "/openapi.json", "/"])
async def test_the_port_for_calls_serves_nothing_else(balanced: Balanced, path: str) -> None:
    assert (await balanced.calls.send("POST", path, b"", {})).status == 404


@pytest.mark.parametrize("path", ["/calls", "/twilio/incoming"])
async def test_the_port_for_webhooks_creates_no_calls(balanced: Balanced, path: str) -> None:
    assert (await balanced.webhooks.send("POST", path, b"", {})).status == 404


async def test_calls_are_created_through_the_balancer(balanced: Balanced, rooms: RoomStore) -> None:
    assert (await balanced.calls.call({"tenant_id": "acme"})).status == 201
    # The key is for creating calls alone, as a receiver says of each route of the API.
    reads = [("GET", path) for path in ("/calls", "/calls/RM_1", "/usage", "/concurrency")]
    for method, path in [*reads, ("POST", "/calls/RM_1/erasure")]:
        answer = await balanced.calls.send(method, path, b"", {"Authorization": f"Bearer {ACME_KEY}"})
        assert answer.problem == (403, "scope_missing", [])
    assert (await balanced.calls.telephone(incoming())).dialled.startswith("call-acme-")
    assert (await balanced.calls.telephone(incoming(DialCallStatus="busy"), path="/twilio/dialled")).status == 200


async def test_with_no_receiver_ready_a_telephone_goes_on_ringing_for_a_while(
    balanced: Balanced, rooms: RoomStore, redis_server: RedisServer
) -> None:
    redis_server.kill()
    await redis_server.exited()
    try:

        async def no_receiver_is_ready() -> bool:
            # The balancer's own page, and not the problem that a receiver would answer with.
            return (await balanced.calls.call({"tenant_id": "acme"})).headers["Content-Type"] == "text/html"

        await until(no_receiver_is_ready)
        refused = await balanced.calls.call({"tenant_id": "acme"})
        assert (refused.status, refused.headers["Retry-After"]) == (503, "2")

        def instructions(answer: Answer) -> tuple[list[str], str | None]:
            assert (answer.status, answer.headers["Content-Type"]) == (200, "application/xml")
            return [verb.tag for verb in answer.xml], answer.xml.findtext("Redirect")

        retry = ["Pause", "Redirect"]
        first = await balanced.calls.telephone(incoming())
        assert instructions(first) == (retry, "/twilio/incoming?try=2")
        fourth = await balanced.calls.telephone(incoming(), query="?try=4")
        assert instructions(fourth) == (retry, "/twilio/incoming?try=5")
        last = await balanced.calls.telephone(incoming(), query="?try=5")
        assert instructions(last) == (["Reject"], None)
        over = await balanced.calls.telephone(incoming(DialCallStatus="completed"), path="/twilio/dialled")
        assert instructions(over) == (["Hangup"], None)
    finally:
        await redis_server.start()

    async def a_receiver_is_ready() -> bool:
        # An unsigned webhook.
        return (await balanced.webhooks.send("POST", "/livekit/webhook", b"", {})).status == HTTPStatus.UNAUTHORIZED

    await until(a_receiver_is_ready)


SENDERS, ADDRESSES = 4200, 20
"""Connections that send slowly, from so many addresses; each address has fewer than HAProxy allows."""


async def _slow_sender(number: int, port: int, opened: asyncio.Event | None = None) -> None:
    """Begin a request to `/twilio/incoming` without a signature, and never send its body."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sender:
        sender.setblocking(False)  # noqa: FBT003 - a socket's own method
        sender.bind((f"127.0.1.{number % ADDRESSES + 1}", 0))
        await loop.sock_connect(sender, (HOST, port))
        head = "POST /twilio/incoming HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nCallSid="
        await loop.sock_sendall(sender, head.encode())
        if opened:
            opened.set()
        while await loop.sock_recv(sender, 1000):
            pass


async def test_webhooks_do_not_wait_behind_slow_strangers(
    balanced: Balanced, rooms: RoomStore, livekit: LiveKitServer
) -> None:
    port = int(balanced.calls.url.rpartition(":")[2])
    last = asyncio.Event()
    senders = [asyncio.create_task(_slow_sender(number, port)) for number in range(SENDERS - 1)]
    senders.append(asyncio.create_task(_slow_sender(SENDERS, port, last)))
    try:
        async with asyncio.timeout(20):
            await last.wait()
        body = b'{"event": "track_published", "id": "EV_1"}'
        headers = {"Authorization": sign(body, livekit.api_key, livekit.api_secret)}
        began = time.monotonic()
        answer = await balanced.webhooks.send("POST", "/livekit/webhook", body, headers)
        seconds = time.monotonic() - began
        assert (answer.status, answer.json) == (200, {"outcome": "ignored"})
        assert seconds < 1
    finally:
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)


async def test_an_address_that_is_refused_again_and_again_is_not_heard_for_a_while(
    balanced: Balanced, rooms: RoomStore
) -> None:
    port = int(balanced.calls.url.rpartition(":")[2])
    connector = aiohttp.TCPConnector(local_addr=("127.0.2.1", 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        stranger = Client(session, port)
        statuses = [(await stranger.call({"tenant_id": "acme"}, key="guess")).status for _ in range(250)]
        assert set(statuses) == {401, 429}
        refused = await stranger.call({"tenant_id": "acme"})
        assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
    assert (await balanced.calls.call({"tenant_id": "acme"})).status == 201
