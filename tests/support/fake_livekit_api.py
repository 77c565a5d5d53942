"""A fake of the LiveKit server API: the requests of the reconciler, in LiveKit's own protobuf."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Self

from aiohttp import web
from livekit import api
from livekit.protocol import models

SERVICE = "/twirp/livekit.RoomService"


class FakeLiveKitApi:
    """A server at `url` that lists the given rooms, with as many participants as each says.

    The rooms are encoded once, so that benchmarks measure the client and not this server.

    `participants`: of rooms by their names, in the place of those. `connected`: the identities that some node has,
    whatever the lists say. `refused`: requests that are answered with an error code ("ListRooms by name" is one of its
    own), and `refused_identities`: of participants that are not updated. `delay_seconds`: before each
    answer. `requests`: how many of each kind have come. `looked_at`: rooms whose participants were listed. `deleted`:
    rooms, in this order.
    """

    def __init__(self, rooms: Sequence[models.Room] = ()) -> None:
        self.url = ""
        self.participants: dict[str, list[models.ParticipantInfo]] = {}
        self.connected: set[str] = set()
        self.refused: dict[str, str] = {}
        self.refused_identities: set[str] = set()
        self.delay_seconds = 0.0
        self.requests: Counter[str] = Counter()
        self.deleted: list[str] = []
        self.looked_at: set[str] = set()
        self.list_rooms(rooms)

    @classmethod
    @asynccontextmanager
    async def serve(cls, rooms: Sequence[models.Room] = ()) -> AsyncIterator[Self]:
        """Serve on a free port."""
        fake = cls(rooms)
        app = web.Application()
        app.router.add_post(f"{SERVICE}/{{request}}", fake._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            fake.url = f"http://{host}:{port}"
            yield fake
        finally:
            await runner.cleanup()

    def list_rooms(self, rooms: Sequence[models.Room]) -> None:
        """List these rooms from now on."""
        self._rooms = list(rooms)
        self._all = _encode(rooms)

    def hide_from_list(self, sid: str) -> None:
        """List this room by its name only."""
        self._all = _encode(room for room in self._rooms if room.sid != sid)

    async def _answer(self, request: web.Request) -> web.Response:
        name, body = request.match_info["request"], await request.read()
        if name == "ListRooms" and api.ListRoomsRequest.FromString(body).names:
            name = "ListRooms by name"
        self.requests[name] += 1
        await asyncio.sleep(self.delay_seconds)
        if code := self.refused.get(name):
            return web.json_response({"code": code, "msg": "no"}, status=503 if code == "unavailable" else 400)
        answers = {
            "ListRooms": lambda _: _protobuf(self._all),
            "ListRooms by name": self._list_by_name,
            "ListParticipants": self._list_participants,
            "UpdateParticipant": self._update,
            "UpdateSubscriptions": self._update_subscriptions,
            "DeleteRoom": self._delete,
        }
        if name not in answers:
            return web.json_response({"code": "bad_route", "msg": name}, status=404)
        return answers[name](body)

    def _list_by_name(self, body: bytes) -> web.Response:
        names = api.ListRoomsRequest.FromString(body).names
        return _protobuf(_encode(room for room in self._rooms if room.name in names))

    def _list_participants(self, body: bytes) -> web.Response:
        name = api.ListParticipantsRequest.FromString(body).room
        self.looked_at.add(name)
        room = next((room for room in self._rooms if room.name == name), None)
        if name in self.participants:
            participants = self.participants[name]
        else:
            count = room.num_participants if room else 0
            participants = [models.ParticipantInfo(identity=str(number)) for number in range(count)]
        return _protobuf(api.ListParticipantsResponse(participants=participants).SerializeToString())

    def _update(self, body: bytes) -> web.Response:
        wanted = api.UpdateParticipantRequest.FromString(body)
        if wanted.identity in self.refused_identities:
            return web.json_response({"code": "invalid_argument", "msg": "attributes exceed limits"}, status=400)
        for participant in self.participants.get(wanted.room, []):
            if participant.identity == wanted.identity:
                participant.attributes.update(wanted.attributes)
        return _protobuf(b"")

    def _update_subscriptions(self, body: bytes) -> web.Response:
        wanted = api.UpdateSubscriptionsRequest.FromString(body)
        if wanted.identity in self.connected:
            return _protobuf(b"")
        return web.json_response({"code": "unavailable", "msg": "no response from servers"}, status=503)

    def _delete(self, body: bytes) -> web.Response:
        name = api.DeleteRoomRequest.FromString(body).room
        self.deleted.append(name)
        self.list_rooms([room for room in self._rooms if room.name != name])
        return _protobuf(b"")


def _encode(rooms: Iterable[models.Room]) -> bytes:
    return api.ListRoomsResponse(rooms=rooms).SerializeToString()


def _protobuf(body: bytes) -> web.Response:
    return web.Response(body=io.BytesIO(body), content_type="application/protobuf")
