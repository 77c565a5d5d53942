"""A stand-in for the LiveKit server that does one thing: it answers ListRooms, in LiveKit's own protobuf."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from aiohttp import web
from livekit import api
from livekit.protocol import models

PATH = "/twirp/livekit.RoomService/ListRooms"


class RoomListing:
    """The rooms that it answers with, whoever asks; `url` is where.

    They are encoded once, because what is measured with it is the one who asks.
    """

    def __init__(self, rooms: Sequence[models.Room]) -> None:
        self.url = ""
        self._answer = api.ListRoomsResponse(rooms=rooms).SerializeToString()

    @classmethod
    @asynccontextmanager
    async def serve(cls, rooms: Sequence[models.Room]) -> AsyncIterator[Self]:
        """Answer on a free port."""
        listing = cls(rooms)
        app = web.Application()
        app.router.add_post(PATH, listing._list)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            listing.url = f"http://{host}:{port}"
            yield listing
        finally:
            await runner.cleanup()

    async def _list(self, _: web.Request) -> web.Response:
        return web.Response(body=self._answer, content_type="application/protobuf")
