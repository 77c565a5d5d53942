"""A stand-in for the LiveKit server: what the reconciler asks for about rooms, in LiveKit's own protobuf."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from aiohttp import web
from livekit import api
from livekit.protocol import models

SERVICE = "/twirp/livekit.RoomService"


class RoomListing:
    """The rooms that it answers with, whoever asks; `url` is where. In each are as many people as it says.

    They are encoded once, because what is measured with it is the one who asks.
    """

    def __init__(self, rooms: Sequence[models.Room]) -> None:
        self.url = ""
        self._people = {room.name: room.num_participants for room in rooms}
        self._answer = api.ListRoomsResponse(rooms=rooms).SerializeToString()

    @classmethod
    @asynccontextmanager
    async def serve(cls, rooms: Sequence[models.Room]) -> AsyncIterator[Self]:
        """Answer on a free port."""
        listing = cls(rooms)
        app = web.Application()
        app.router.add_post(f"{SERVICE}/ListRooms", listing._list)
        app.router.add_post(f"{SERVICE}/ListParticipants", listing._list_people)
        app.router.add_post(f"{SERVICE}/UpdateParticipant", listing._update)
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
        return web.Response(body=io.BytesIO(self._answer), content_type="application/protobuf")

    async def _list_people(self, request: web.Request) -> web.Response:
        asked = api.ListParticipantsRequest.FromString(await request.read())
        people = [models.ParticipantInfo(identity=str(number)) for number in range(self._people[asked.room])]
        answer = api.ListParticipantsResponse(participants=people).SerializeToString()
        return web.Response(body=io.BytesIO(answer), content_type="application/protobuf")

    async def _update(self, _: web.Request) -> web.Response:
        return web.Response(body=io.BytesIO(b""), content_type="application/protobuf")
