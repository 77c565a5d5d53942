"""Answers of a load balancer, and what a real LiveKit server does after each: the table of docs/howto/balancers.md."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from livekit import api

from ops.stack.binaries import Binaries
from ops.stack.ports import HOST, PortPicker
from tests.support.livekit_server import livekit_server
from tests.unit.conventions.documents import read, rows

AGAIN, LOST = "again", "lost"
MOVED = "moved"


class Answering:
    """A load balancer that answers the first delivery of each room's event with the status in the room's name."""

    def __init__(self) -> None:
        self.deliveries: defaultdict[str, list[str]] = defaultdict(list)
        self.changed = asyncio.Condition()

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        # A redirected GET has no body; the room is in its query.
        event = json.loads(body) if body else {"event": "room_started", "room": {"name": request.query["room"]}}
        name = event["room"]["name"]
        if event["event"] != "room_started":
            return web.Response()
        status = int(name)
        first = not self.deliveries[name]
        async with self.changed:
            self.deliveries[name].append(f"{request.method} {len(body) > 0}")
            self.changed.notify_all()
        if first and status == 0:
            assert request.transport
            request.transport.abort()
            return web.Response()
        if first and status in {301, 302, 303, 307, 308}:
            return web.Response(status=status, headers={"Location": f"/{MOVED}?room={name}"})
        if first:
            return web.Response(status=status)
        # As a receiver answers a GET.
        return web.Response(status=405 if request.method == "GET" else 200)


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
    documented = {
        status: cells[0] for status, cells in rows(read("docs/howto/balancers.md"), r"\d{3}|no answer").items()
    }
    statuses = ["0" if status == "no answer" else status for status in documented]
    answering = Answering()
    async with (
        served(answering) as url,
        livekit_server(binaries, tmp_path, PortPicker(), webhook_url=url) as server,
        api.LiveKitAPI(server.url, server.api_key, server.api_secret) as livekit,
    ):
        for status in statuses:
            await livekit.room.create_room(api.CreateRoomRequest(name=status))

        def second(status: str) -> bool:
            return len(answering.deliveries[status]) > 1

        async with asyncio.timeout(20), answering.changed:
            await answering.changed.wait_for(
                lambda: all(
                    second("0" if key == "no answer" else key) for key, what in documented.items() if what == AGAIN
                )
            )
    # The others had as much time.
    for key, what in documented.items():
        tries = answering.deliveries["0" if key == "no answer" else key]
        delivered = "POST True" in tries[1:]
        assert ("again" if delivered else "lost") == what, (key, tries)
