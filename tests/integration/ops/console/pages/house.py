"""A console with its Redis and its database, and what is in them."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np

from ops.console.sign_in.password import PasswordHash
from ops.recordings.archive import Archive
from ops.recordings.store import Source
from ops.stack import Binaries, environment
from ops.stack.console import Console
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.records import Database
from tasks.rooms import RoomStore, keys
from tasks.rooms.records import Limits
from tasks.settings import Settings
from tests.support import databases
from tests.support.rooms import open_some_room
from tests.support.tenants import SECRET, declare

PASSWORD = "correct horse battery"
OPERATORS = {"ann": "operate+listen", "bob": "view", "lisa": "listen", "otto": "operate"}
SAID = "I would like to order a cake"
ANSWERED = "Which one would you like?"
RECORDED = "RM_recorded"
OPENED_MS = int(time.time() * 1000) - 3_600_000
TENANTS = """
[tenants.acme]
tier = "premium"
max_calls = 2

[tenants.bolt]
tier = "standard"
"""


@dataclass
class House:
    """A running console, and access to what it shows."""

    console: Console
    redis: RedisServer
    rooms: RoomStore
    database: Database
    archive: Archive

    @property
    def url(self) -> str:
        return self.console.url

    @asynccontextmanager
    async def visitor(self, name: str = "", **options: Any) -> AsyncIterator[Visitor]:
        """Somebody with a browser's cookies; signed in if there is a name."""
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(self.url, cookie_jar=jar, **options) as session:
            visitor = Visitor(session)
            if name:
                await visitor.sign_in(name)
            yield visitor


@dataclass
class Visitor:
    """Requests of one visitor."""

    session: aiohttp.ClientSession
    csrf: str = ""

    async def get(self, path: str, **options: Any) -> tuple[int, str]:
        options.setdefault("headers", {"Accept": "text/html"})
        async with self.session.get(path, allow_redirects=False, **options) as answer:
            return answer.status, await answer.text(errors="replace")

    async def post(
        self, path: str, *, csrf: str | None = None, site: str = "same-origin", **form: str
    ) -> tuple[int, str]:
        data = {**form, "csrf": self.csrf if csrf is None else csrf}
        headers = {"Sec-Fetch-Site": site}
        async with self.session.post(path, data=data, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text()

    async def sign_in(self, name: str, password: str = PASSWORD) -> tuple[int, str]:
        _, page = await self.get("/sign-in")
        self.csrf = csrf_of(page)
        answer = await self.post("/sign-in", name=name, password=password)
        if answer[0] == 303:
            self.csrf = csrf_of((await self.get("/"))[1])
        return answer


def csrf_of(page: str) -> str:
    return page.partition('name="csrf" value="')[2].partition('"')[0]


@asynccontextmanager
async def opened(binaries: Binaries, folder: Path, env: Mapping[str, str] | None = None) -> AsyncIterator[House]:
    """A console with `OPERATORS`, and in it the calls of `fill`."""
    database_settings = await databases.sqlite(folder)
    base = environment.inherited(())
    redis = RedisServer(folder, base, binary=str(binaries.redis), port=PortPicker().pick())
    hashed = str(PasswordHash.of(PASSWORD, cost=1 << 10))
    settings = {
        "LIVEKIT_URL": "ws://127.0.0.1:1",
        "LIVEKIT_API_KEY": "devkey",
        "LIVEKIT_API_SECRET": SECRET,
        "REDIS_URL": redis.url,
        "SWITCHBOARD_DATABASE_URL": database_settings.url.get_secret_value(),
        "SWITCHBOARD_RECORDINGS_URL": f"file://{folder / 'recordings'}",
        "SWITCHBOARD_CONSOLE_TRACE_URL": "http://127.0.0.1:16686/trace/{trace_id}",
        **(env or {}),
    }
    console = Console(folder, base | settings, port=PortPicker().pick())
    lines = "\n".join(f"{name}:{roles}:{hashed}" for name, roles in OPERATORS.items())
    console.env["SWITCHBOARD_CONSOLE_OPERATORS"] = lines
    await redis.start()
    try:
        async with redis.client() as client, Database.open(database_settings) as database:
            archive = Archive(Settings.read(settings), database, client)
            house = House(console, redis, RoomStore(client, lease_ms=3_600_000), database, archive)
            await declare(client, TENANTS)
            await fill(house)
            await console.start()
            yield house
    finally:
        await console.stop()
        await redis.stop()


async def fill(house: House) -> None:
    """A call that waits, one that runs, one that is over and was recorded, and a dead letter."""
    await open_room(house.rooms, "RM_one", "acme", limit=1)
    await house.rooms.claim("RM_one", 1, claimant="c", worker="premium@one", pid=7)
    await open_room(house.rooms, "RM_two", "acme", limit=1)
    await house.rooms.redis.hset(keys.room("RM_two"), "number", "+4930123456")
    await house.rooms.dead_letter("RM_dead", attempt=None, name="call-nobody-1", reason="there is no tenant 'nobody'")
    begin = OPENED_MS + 1000
    await databases.write(
        house.database,
        [
            databases.attempt_entry(RECORDED, opened_ms=OPENED_MS, seconds=4),
            databases.call_entry(RECORDED, opened_ms=OPENED_MS, seconds=4, name="call-acme-cake", number="+4930999"),
        ],
    )
    source = Source("acme", RECORDED, 1)
    await house.archive.store.begin(source)
    await house.archive.store.put_audio(source, once(ogg()), began_ms=begin)
    await house.archive.store.put_session(source, summary={}, transcript=transcript(begin / 1000))


async def open_room(rooms: RoomStore, sid: str, tenant: str, *, limit: int | None = None) -> None:
    await open_some_room(
        rooms,
        sid,
        name=f"call-{tenant}-{sid[3:].lower()}",
        tenant=tenant,
        started_at_ms=OPENED_MS,
        received_at_ms=OPENED_MS,
        limits=Limits(tenant=limit),
    )


def transcript(begin: float) -> list[dict[str, Any]]:
    """A question, a tool and an answer, as livekit-agents has them."""
    return [
        {
            "id": "a",
            "type": "message",
            "role": "user",
            "content": [SAID],
            "created_at": begin + 1,
            "metrics": {"transcription_delay": 0.2, "end_of_turn_delay": 0.3},
        },
        {"id": "b", "type": "function_call", "name": "look_up", "arguments": '{"cake": 1}', "created_at": begin + 1.2},
        {
            "id": "c",
            "type": "message",
            "role": "assistant",
            "content": [ANSWERED],
            "created_at": begin + 2,
            "metrics": {"e2e_latency": 0.9, "llm_node_ttft": 0.4, "tts_node_ttfb": 0.1},
        },
    ]


def ogg(seconds: float = 4.0) -> bytes:
    """OGG Opus in stereo: a tone on the left in its first half, and on the right in its second."""
    rate = 48_000
    tone = (np.sin(np.arange(int(rate * seconds)) * 2 * np.pi * 440 / rate) * 12_000).astype(np.int16)
    left, right = tone.copy(), tone.copy()
    left[tone.size // 2 :] = 0
    right[: tone.size // 2] = 0
    content = io.BytesIO()
    with av.open(content, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=rate, layout="stereo")
        interleaved = np.stack([left, right], axis=1).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="s16", layout="stereo")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return content.getvalue()


async def once(content: bytes) -> AsyncIterator[bytes]:
    await asyncio.sleep(0)
    yield content
