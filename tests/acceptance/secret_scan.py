"""Every place where something of a call could lie open, as text."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
import psutil
from livekit import api
from redis.asyncio import Redis

from ops.stack import Stack

FLOWER_PAGES = (
    "/",
    "/workers",
    "/tasks",
    "/broker",
    "/metrics",
    "/api/workers?refresh=1",
    "/api/tasks",
    "/api/queues/length",
)


class Wiretap:
    """Every command that Redis is given, by whomever: also tasks and events, which are gone a moment later."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    @classmethod
    @asynccontextmanager
    async def on(cls, url: str) -> AsyncIterator[Wiretap]:
        tap = cls()
        # Without a time limit: Redis may be told nothing for long, and between two tests nobody reads.
        async with Redis.from_url(url, decode_responses=True, socket_timeout=None) as redis, redis.monitor() as monitor:

            async def listen() -> None:
                async for command in monitor.listen():
                    tap.commands.append(command["command"])

            listening = asyncio.create_task(listen())
            try:
                yield tap
            finally:
                listening.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listening


async def places(stack: Stack, redis: Redis, tap: Wiretap) -> dict[str, str]:
    """What can be read in each of them now, by the name of the place."""
    found = {"what Redis was told": "\n".join(tap.commands)}
    found |= {f"the key {key}": await _value(redis, key) async for key in redis.scan_iter()}
    found |= await asyncio.to_thread(_on_this_machine, stack)
    async with aiohttp.ClientSession() as session:
        for receiver in stack.receivers:
            url = f"http://127.0.0.1:{receiver.port}/metrics"
            found[f"the metrics of {receiver.name}"] = await _page(session, url)
        found |= await _flower(stack, session)
    livekit = stack.livekit
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
        rooms = (await server.room.list_rooms(api.ListRoomsRequest())).rooms
        people = [await server.room.list_participants(api.ListParticipantsRequest(room=room.name)) for room in rooms]
    found["the rooms at LiveKit"] = f"{rooms}{people}"
    return found


async def _value(redis: Redis, key: str) -> str:
    reads: dict[str, Any] = {
        "string": lambda: redis.get(key),
        "hash": lambda: redis.hgetall(key),
        "list": lambda: redis.lrange(key, 0, -1),
        "set": lambda: redis.smembers(key),
        "zset": lambda: redis.zrange(key, 0, -1),
        "stream": lambda: redis.xrange(key),
    }
    kind = str(await redis.type(key))
    # It may have expired meanwhile.
    return "" if kind == "none" else f"{key} {await reads[kind]()}"


def _on_this_machine(stack: Stack) -> dict[str, str]:
    files = {f"the file {path.name}": path for path in stack.directory.rglob("*") if path.is_file()}
    found = {name: path.read_text(encoding="utf-8", errors="replace") for name, path in files.items()}
    return found | dict(_processes(stack))


def _processes(stack: Stack) -> Iterator[tuple[str, str]]:
    """The environment and the command line of every process, and of their children."""
    for part in stack.processes:
        if part.running:
            process = psutil.Process(part.pid)
            for one in (process, *process.children(recursive=True)):
                # A child has one call, and may be gone.
                with contextlib.suppress(OSError, psutil.NoSuchProcess):
                    texts = (
                        Path(f"/proc/{one.pid}/{name}").read_text(errors="replace") for name in ("environ", "cmdline")
                    )
                    yield f"process {one.pid} of {part.name}", " ".join(texts)


async def _flower(stack: Stack, session: aiohttp.ClientSession) -> dict[str, str]:
    flower = stack.flower
    assert flower is not None
    login = {"Authorization": aiohttp.encode_basic_auth(flower.user, flower.password)}
    async with session.get(f"{flower.url}/api/tasks", headers=login) as answer:
        tasks = cast("dict[str, Any]", await answer.json())
    assert tasks, "Flower shows no task, so nothing was looked at"
    pages = [*FLOWER_PAGES, *(f"/task/{task}" for task in tasks), *(f"/api/task/info/{task}" for task in tasks)]
    return {f"Flower's {page}": await _page(session, f"{flower.url}{page}", login) for page in pages}


async def _page(session: aiohttp.ClientSession, url: str, login: Mapping[str, str] | None = None) -> str:
    async with session.get(url, headers=login) as answer:
        return await answer.text()
