"""A worker with one call of an agent that a test has written."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from livekit.protocol import models

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import Room, RoomStore
from tests.integration.tasks.worker.dispatched import open_rooms
from tests.support.fake_livekit_api import FakeLiveKitApi
from tests.support.waiting import until

SID = "RM_a0"


@dataclass
class CallingWorker:
    """A worker, and its call of the room SID. The agent never joins: its room is only listed."""

    process: Worker
    rooms: RoomStore

    async def room(self) -> Room:
        room = await self.rooms.get(SID)
        assert room is not None
        return room

    async def child(self) -> int:
        """The process of the call."""
        pid = (await self.room()).pid
        assert pid is not None
        return pid

    def logged(self, message: str) -> list[dict[str, Any]]:
        """The lines of its log that say this."""
        return [line for line in log_lines(self.process.log) if line.get("message") == message]

    async def says(self, message: str, seconds: float = 20) -> dict[str, Any]:
        """Wait for a line of its log."""

        async def said() -> bool:
            return bool(self.logged(message))

        try:
            await until(said, seconds)
        except TimeoutError:
            raise AssertionError(f"never said {message!r}: {self.process.tail()}") from None
        return self.logged(message)[0]


def log_lines(log: Path) -> list[dict[str, Any]]:
    lines = log.read_text(errors="replace").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


async def ends(pid: int, seconds: float = 20) -> None:
    """Wait until there is no such process, or only its exit status."""

    async def ended() -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    await until(ended, seconds)


@asynccontextmanager
async def calling(
    redis_server: RedisServer,
    switchboard_env: Mapping[str, str],
    dispatcher: Dispatcher,
    rooms: RoomStore,
    folder: Path,
    agent: str,
    *,
    slots: int = 2,
    calls: int = 1,
    command_prefix: tuple[str, ...] = (),
    **settings: str,
) -> AsyncIterator[CallingWorker]:
    """Start a worker whose agent is the `entrypoint` in the Python source `agent`, and wait until its calls run."""
    (folder / "written_agent.py").write_text(agent)
    (folder / "load").write_text("0")
    env = {
        "SWITCHBOARD_LOAD_FILE": str(folder / "load"),
        "SWITCHBOARD_CALL_CORES": "0",
        "SWITCHBOARD_AGENT": "written_agent:entrypoint",
        **settings,
    }
    listed = [models.Room(sid=f"RM_a{number}", name="call-acme-1") for number in range(calls)]
    async with FakeLiveKitApi.serve(listed[:1]) as server:
        given = environment.merged(environment.inherited([folder]), switchboard_env, {"LIVEKIT_URL": server.url})
        spec = WorkerSpec("one", ("premium",), slots=slots, env=env, command_prefix=command_prefix)
        process = Worker(spec, folder, given, redis=redis_server)
        await process.start()
        worker = CallingWorker(process, rooms)
        try:
            if calls:
                await open_rooms(dispatcher, "a", calls)

                async def running() -> bool:
                    return "connecting" in (await worker.room()).steps_ms

                await until(running)
            yield worker
        finally:
            process.kill()
            await process.stop()
