"""Refusals that pass through HAProxy, and those of its own. LiveKit waits as long as `Retry-After` says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from ops.stack.binaries import Binaries
from ops.stack.ports import HOST, PortPicker
from tests.support.shipped_haproxy import HAProxy, shipped_haproxy
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATUS, RETRY_AFTER = "X-Status", "X-Retry-After"


class RefusingReceiver:
    """A receiver that is ready, and refuses each request as the request's own headers ask."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.ready = True

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/readyz", self._readyz)
        app.router.add_post("/{path:.*}", self._refuse)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, HOST, self._port).start()
        return runner

    async def _readyz(self, request: web.Request) -> web.Response:
        del request
        return web.Response(status=200 if self.ready else 503)

    async def _refuse(self, request: web.Request) -> web.Response:
        retry_after = request.headers.get(RETRY_AFTER)
        headers = {"Retry-After": retry_after} if retry_after else {}
        return web.Response(status=int(request.headers[STATUS]), headers=headers)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receiver() -> AsyncIterator[tuple[RefusingReceiver, int]]:
    port = PortPicker().pick()
    refusing = RefusingReceiver(port)
    runner = await refusing.start()
    yield refusing, port
    await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(
    binaries: Binaries, tmp_path_factory: pytest.TempPathFactory, receiver: tuple[RefusingReceiver, int]
) -> AsyncIterator[HAProxy]:
    directory: Path = tmp_path_factory.mktemp("haproxy")
    async with shipped_haproxy(binaries, directory, PortPicker(), [receiver[1]] * 2) as running:
        yield running


async def refused(url: str, **headers: str) -> tuple[int, str | None]:
    """Status and Retry-After of the response."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as session, session.post(url, data=b"{}", headers=sent) as response:
        return response.status, response.headers.get("Retry-After")


@pytest.mark.parametrize(("status", "seconds"), [("503", "8"), ("503", "4"), ("429", "7")])
async def test_a_receivers_retry_after_reaches_livekit(proxy: HAProxy, status: str, seconds: str) -> None:
    url = f"http://{HOST}:{proxy.ports.webhooks}/livekit/webhook"

    assert await refused(url, X_Status=status, X_Retry_After=seconds) == (int(status), seconds)


@pytest.mark.parametrize(("status", "seconds"), [("503", "9"), ("429", "30")])
async def test_a_receivers_retry_after_reaches_a_backend(proxy: HAProxy, status: str, seconds: str) -> None:
    url = f"http://{HOST}:{proxy.ports.calls}/calls"

    assert await refused(url, X_Status=status, X_Retry_After=seconds) == (int(status), seconds)


async def test_with_no_receiver_ready_livekit_keeps_to_its_own_pauses_and_a_backend_is_told_one(
    proxy: HAProxy, receiver: tuple[RefusingReceiver, int]
) -> None:
    webhooks = f"http://{HOST}:{proxy.ports.webhooks}/livekit/webhook"
    calls = f"http://{HOST}:{proxy.ports.calls}/calls"
    receiver[0].ready = False
    try:

        async def no_receiver_is_ready() -> bool:
            return (await refused(webhooks, X_Status="200"))[0] == 503

        await until(no_receiver_is_ready)
        # LiveKit's own are 1, 2, 4 and 8 s: a constant would leave a restart of Redis only four times that.
        assert await refused(webhooks, X_Status="200") == (503, None)
        assert await refused(calls, X_Status="200") == (503, "2")
    finally:
        receiver[0].ready = True
