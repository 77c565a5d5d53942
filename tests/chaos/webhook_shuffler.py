"""A faulty proxy between livekit-server and the receivers: it loses webhooks, repeats them, and changes their order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import aiohttp
from aiohttp import web

from ops.stack.ports import HOST

COPIES = 3
LOST = 0.2
DELAY_SECONDS = 3.0
KEPT_HEADERS = ("Authorization", "Content-Type")


class WebhookShuffler:
    """A proxy that accepts each webhook at once, and loses it or delivers it COPIES times, each after another delay."""

    def __init__(self, to: str, session: aiohttp.ClientSession, rng: random.Random) -> None:
        self.url = ""
        self.received = 0
        self.lost = 0
        self._to = to
        self._session = session
        self._rng = rng
        self._deliveries: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def serve(cls, to: str, rng: random.Random) -> AsyncIterator[Self]:
        """Serve at `url`, in front of the address `to`."""
        async with aiohttp.ClientSession() as session:
            shuffler = cls(to, session, rng)
            app = web.Application()
            app.router.add_post("/livekit/webhook", shuffler._receive)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            try:
                site = web.TCPSite(runner, HOST, 0)
                await site.start()
                port = runner.addresses[0][1]
                shuffler.url = f"http://{HOST}:{port}/livekit/webhook"
                yield shuffler
                await shuffler.wait_until_delivered()
            finally:
                await runner.cleanup()

    async def wait_until_delivered(self) -> None:
        """Wait until all webhooks that were received have been delivered."""
        while self._deliveries:
            await asyncio.wait(set(self._deliveries))

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name: request.headers[name] for name in KEPT_HEADERS}
        self.received += 1
        if self._rng.random() < LOST:
            self.lost += 1
        else:
            for _ in range(COPIES):
                delay = self._rng.uniform(0, DELAY_SECONDS)
                delivery = asyncio.create_task(self._deliver(body, headers, delay))
                self._deliveries.add(delivery)
                delivery.add_done_callback(self._deliveries.discard)
        return web.Response()

    async def _deliver(self, body: bytes, headers: dict[str, str], delay: float) -> None:
        await asyncio.sleep(delay)
        async with self._session.post(self._to, data=body, headers=headers) as answer:
            await answer.read()
