"""A fake of the LiveKit server API: the requests of the reconciler, in LiveKit's own protobuf."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from aiohttp import web
from livekit import api
from livekit.protocol import models

SERVICE = "/twirp/livekit.RoomService"


class FakeLiveKitApi:
    """A server at `url` that lists the given rooms, with as many participants as each says.

    The rooms are encoded once, so that benchmarks measure the client and not this server.
    """

    def __init__(self, rooms: Sequence[models.Room]) -> None:
        self.url = ""
        self._participants = {room.name: room.num_participants for room in rooms}
        self._answer = api.ListRoomsResponse(rooms=rooms).SerializeToString()

    @classmethod
    @asynccontextmanager
    async def serve(cls, rooms: Sequence[models.Room]) -> AsyncIterator[Self]:
        """Serve on a free port."""
        fake = cls(rooms)
        app = web.Application()
        app.router.add_post(f"{SERVICE}/ListRooms", fake._list)
        app.router.add_post(f"{SERVICE}/ListParticipants", fake._list_participants)
        app.router.add_post(f"{SERVICE}/UpdateParticipant", fake._update)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            fake.url = f"http://{host}:{port}"
            yield fake
        finally:
            await runner.cleanup()

    async def _list(self, _: web.Request) -> web.Response:
        return web.Response(body=io.BytesIO(self._answer), content_type="application/protobuf")

    async def _list_participants(self, request: web.Request) -> web.Response:
        wanted = api.ListParticipantsRequest.FromString(await request.read())
        participants = [
            models.ParticipantInfo(identity=str(number)) for number in range(self._participants[wanted.room])
        ]
        answer = api.ListParticipantsResponse(participants=participants).SerializeToString()
        return web.Response(body=io.BytesIO(answer), content_type="application/protobuf")

    async def _update(self, _: web.Request) -> web.Response:
        return web.Response(body=io.BytesIO(b""), content_type="application/protobuf")
