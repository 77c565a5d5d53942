"""Answers of a load balancer, and what a real LiveKit server does after each: the table of docs/howto/balancers.md."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPMethod
from pathlib import Path
from typing import Any

from aiohttp import web
from livekit import api

from ops.stack.binaries import Binaries
from ops.stack.ports import HOST, PortPicker
from tests.support.livekit_server import livekit_server
from tests.unit.conventions.documents import read, rows

AGAIN, LOST = "again", "lost"
NO_ANSWER = "no-answer"


@dataclass(frozen=True)
class Delivery:
    method: str
    has_body: bool


class Answering:
    """A load balancer that answers the first delivery of each room's event with the status in the room's name."""

    def __init__(self) -> None:
        self.deliveries: defaultdict[str, list[Delivery]] = defaultdict(list)
        self.changed = asyncio.Condition()

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        event: dict[str, Any] = json.loads(body) if body else {}
        if body and event["event"] != "room_started":
            return web.Response()
        # A GET after a redirect has no body; the redirect has put the room into the query.
        room: str = event["room"]["name"] if body else request.query["room"]
        first = not self.deliveries[room]
        async with self.changed:
            self.deliveries[room].append(Delivery(request.method, bool(body)))
            self.changed.notify_all()
        if not first:
            # As a receiver does.
            return web.Response(status=405 if request.method == HTTPMethod.GET else 200)
        if room == NO_ANSWER:
            assert request.transport
            request.transport.abort()
            return web.Response()
        moved = {"Location": f"/?room={room}"} if room.startswith("3") else {}
        return web.Response(status=int(room), headers=moved)

    def heard_again(self, room: str) -> bool:
        """Whether the event itself has come a second time."""
        return Delivery(HTTPMethod.POST, has_body=True) in self.deliveries[room][1:]


@asynccontextmanager
async def served(answering: Answering) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answering.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = PortPicker().pick()
    await web.TCPSite(runner, HOST, port).start()
    yield f"http://{HOST}:{port}/livekit/webhook"
    await runner.cleanup()


async def test_livekit_does_after_each_status_what_the_documents_say(binaries: Binaries, tmp_path: Path) -> None:
    table = rows(read("docs/howto/balancers.md"), r"\d{3}|no answer")
    documented = {answer.replace(" ", "-"): cells[0] for answer, cells in table.items()}
    assert {AGAIN, LOST} == set(documented.values())
    answering = Answering()
    async with (
        served(answering) as url,
        livekit_server(binaries, tmp_path, PortPicker(), webhook_url=url) as server,
        api.LiveKitAPI(server.url, server.api_key, server.api_secret) as livekit,
    ):
        for room in documented:
            await livekit.room.create_room(api.CreateRoomRequest(name=room))
        sent_again = [room for room, what in documented.items() if what == AGAIN]
        async with asyncio.timeout(30), answering.changed:
            # The first pause is one second for all, so those that are lost had as much time.
            await answering.changed.wait_for(lambda: all(map(answering.heard_again, sent_again)))
            seen = {room: AGAIN if answering.heard_again(room) else LOST for room in documented}
    assert seen == documented
    assert all(answering.deliveries[room] for room in documented)
