"""Requests through each load balancer, as a receiver gets them."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from ops.stack.binaries import Binaries
from ops.stack.ports import HOST, PortPicker
from tests.support.certificates import Authority
from tests.support.shipped_haproxy import shipped_haproxy
from tests.support.shipped_nginx import shipped_nginx
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BODY = b'{"event": "room_started",\r\n "name": "\xc3\xa4 \\u00e4 %41 + /../"}  '


@dataclass(frozen=True)
class Received:
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Balancer:
    """A load balancer, its log, and the requests that the receiver behind it got."""

    url: str
    log: Path
    received: list[Received]

    async def send(self, **headers: str) -> Received:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/livekit/webhook", data=io.BytesIO(BODY), headers=sent) as response,
        ):
            assert response.status == 200
        return self.received[-1]


@asynccontextmanager
async def recording_receiver(received: list[Received]) -> AsyncIterator[int]:
    async def record(request: web.Request) -> web.Response:
        if request.method == "POST":
            received.append(Received(request.headers, await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", record)
    runner = web.AppRunner(app)
    await runner.setup()
    port = PortPicker().pick()
    await web.TCPSite(runner, HOST, port).start()
    yield port
    await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["haproxy", "nginx"])
async def balancer(
    request: pytest.FixtureRequest, binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Balancer]:
    directory = tmp_path_factory.mktemp(request.param)
    received: list[Received] = []
    async with recording_receiver(received) as port:
        if request.param == "haproxy":
            async with shipped_haproxy(binaries, directory, PortPicker(), [port] * 2) as haproxy:
                yield Balancer(f"http://{HOST}:{haproxy.ports.webhooks}", haproxy.log, received)
        else:
            certificate = Authority.create(directory).issue(HOST)
            async with shipped_nginx(directory, PortPicker(), [port] * 2, certificate) as nginx:
                yield Balancer(f"http://{HOST}:{nginx.ports.webhooks}", nginx.log, received)


async def test_what_is_signed_is_passed_on_byte_by_byte(balancer: Balancer) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzaGEyNTYiOiIrLz0ifQ.+/="
    got = await balancer.send(Authorization=token, Content_Type="application/webhook+json")

    assert (got.headers["Authorization"], got.headers["Content-Type"]) == (token, "application/webhook+json")
    assert got.body == BODY


async def logged(balancer: Balancer, text: str) -> None:
    """Wait for it: a balancer logs a request when it has sent the answer."""

    async def found() -> bool:
        return text in balancer.log.read_text(encoding="utf-8")

    await until(found)


async def test_the_ids_of_a_request_and_of_a_trace_pass_and_are_in_the_log(balancer: Balancer) -> None:
    got = await balancer.send(X_Request_Id="from-the-client", traceparent=TRACE, tracestate="vendor=1")

    assert got.headers.getall("X-Request-Id") == ["from-the-client"]  # type: ignore[attr-defined]
    assert (got.headers["traceparent"], got.headers["tracestate"]) == (TRACE, "vendor=1")
    await logged(balancer, "from-the-client")


async def test_a_request_without_an_id_gets_one_of_its_own_that_is_in_the_log(balancer: Balancer) -> None:
    ids = {(await balancer.send()).headers["X-Request-Id"] for _ in range(2)}

    assert len(ids) == 2
    for each in ids:
        assert re.fullmatch(r"[0-9a-f-]{32,36}", each)
        await logged(balancer, each)
