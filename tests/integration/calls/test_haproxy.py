"""Calls through the load balancer, with the configuration that operators use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from ops.stack.binaries import Binaries
from ops.stack.ports import PortPicker
from ops.stack.receiver import Receiver
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore
from tests.integration.calls.client import Answer, Client, incoming
from tests.support.shipped_haproxy import shipped_haproxy
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
        aiohttp.ClientSession() as session,
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
    assert (await balanced.calls.telephone(incoming())).dialled.startswith("call-acme-")


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
    finally:
        await redis_server.start()
