"""A worker with one call of an agent that a test has written."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from livekit.protocol import models

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.rooms import Room, RoomStore
from tests.support.fake_livekit_api import FakeLiveKitApi
from tests.support.tenants import declare
from tests.support.waiting import until

SID = "RM_a0"


@dataclass
class CallingWorker:
    """A worker, and its call of the room SID. The agent never joins: its room is only listed."""

    process: Worker
    rooms: RoomStore

    async def room(self, sid: str = SID) -> Room:
        room = await self.rooms.get(sid)
        assert room is not None
        return room

    async def child(self, sid: str = SID) -> int:
        """The process of the call."""
        pid = (await self.room(sid)).pid
        assert pid is not None
        return pid

    def children(self) -> list[psutil.Process]:
        """Its children, without the sidecars."""
        sidecars = {line["pid"] for line in self.logged("sidecar started")}
        children = []
        for process in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                if process.pid not in sidecars and "janitor.py" not in " ".join(process.cmdline()):
                    children.append(process)
        return children

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
    slots: int | None = 2,
    names: tuple[str, ...] = ("call-acme-1",),
    opened: int | None = None,
    command_prefix: tuple[str, ...] = (),
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[CallingWorker]:
    """Start a worker whose agent is the `entrypoint` in the Python source `agent`, and wait until its calls run.

    `names`: the room of each call, of which the sids are RM_a0 and so on. `opened`: so many are, and all if not set.
    """
    (folder / "written_agent.py").write_text(agent)
    (folder / "load").write_text("0")
    # Without keys of providers, and with agents that do not join.
    await declare(rooms.redis, '[tenants.acme]\ntier = "premium"\n')
    env = {
        "SWITCHBOARD_CONNECT_SECONDS": "3600",
        "SWITCHBOARD_LOAD_FILE": str(folder / "load"),
        "SWITCHBOARD_CALL_CORES": "0",
        "SWITCHBOARD_AGENT": "written_agent:entrypoint",
        **(settings or {}),
    }
    listed = [models.Room(sid=f"RM_a{number}", name=name) for number, name in enumerate(names)]
    async with FakeLiveKitApi.serve(listed) as server:
        given = environment.merged(environment.inherited([folder]), switchboard_env, {"LIVEKIT_URL": server.url})
        spec = WorkerSpec("one", ("premium",), slots=slots, env=env, command_prefix=command_prefix)
        process = Worker(spec, folder, given, redis=redis_server)
        await process.start()
        worker = CallingWorker(process, rooms)
        try:
            for room in listed[:opened]:
                assert await dispatcher.open(RoomInfo(room.sid, room.name)) is DispatchResult.QUEUED

                async def running(sid: str = room.sid) -> bool:
                    return "connecting" in (await worker.room(sid)).steps_ms

                await until(running)
            yield worker
        finally:
            process.kill()
            await process.stop()
