"""A bad way from livekit-server to the receivers: it loses webhooks, repeats them, and mixes up their order."""

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


class Storm:
    """Takes each webhook at once, and loses it, or delivers it COPIES times, each after another while."""

    def __init__(self, to: str, session: aiohttp.ClientSession, chance: random.Random) -> None:
        self.url = ""
        self.taken = 0
        self.lost = 0
        self._to = to
        self._session = session
        self._chance = chance
        self._deliveries: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def over(cls, to: str, chance: random.Random) -> AsyncIterator[Self]:
        """A storm on the way to the address `to`; `url` is where webhooks go into it."""
        async with aiohttp.ClientSession() as session:
            storm = cls(to, session, chance)
            app = web.Application()
            app.router.add_post("/livekit/webhook", storm._take)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            try:
                site = web.TCPSite(runner, HOST, 0)
                await site.start()
                port = runner.addresses[0][1]
                storm.url = f"http://{HOST}:{port}/livekit/webhook"
                yield storm
                await storm.blown_over()
            finally:
                await runner.cleanup()

    async def blown_over(self) -> None:
        """Wait until everything that was taken has been delivered."""
        while self._deliveries:
            await asyncio.wait(set(self._deliveries))

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name: request.headers[name] for name in KEPT_HEADERS}
        self.taken += 1
        if self._chance.random() < LOST:
            self.lost += 1
        else:
            for _ in range(COPIES):
                delay = self._chance.uniform(0, DELAY_SECONDS)
                delivery = asyncio.create_task(self._deliver(body, headers, delay))
                self._deliveries.add(delivery)
                delivery.add_done_callback(self._deliveries.discard)
        return web.Response()

    async def _deliver(self, body: bytes, headers: dict[str, str], delay: float) -> None:
        await asyncio.sleep(delay)
        async with self._session.post(self._to, data=body, headers=headers) as answer:
            await answer.read()
