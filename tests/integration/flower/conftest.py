"""A real Flower on a real Redis, with the calls of a real worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio
from livekit.protocol import models

from ops.stack import Binaries, Worker, WorkerSpec, environment
from ops.stack.flower import Flower
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.settings import Settings
from tests.support.fake_livekit_api import FakeLiveKitApi
from tests.support.light_worker import LIGHT
from tests.support.tenants import SECRET, declare
from tests.support.waiting import until

TENANTS = """
[tenants.acme]
tier = "premium"

[tenants.bolt]
tier = "premium"
"""
AGENT = """
import os, pathlib, signal

async def entrypoint(ctx):
    behaviour = ctx.job.room.name.rpartition("-")[2]
    been_here = pathlib.Path(__file__).with_name(behaviour)
    first = not been_here.exists()
    been_here.touch()
    if behaviour == "dead" or (first and behaviour == "breaks"):
        raise RuntimeError("it broke")
    if first and behaviour == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour not in ("runs", "lasts"):
        ctx.shutdown("goodbye")
"""
ROOMS = {
    "RM_ends": "call-acme-ends",
    "RM_breaks": "call-acme-breaks",
    "RM_killed": "call-acme-killed",
    "RM_dead": "call-bolt-dead",
    "RM_runs": "call-acme-runs",
    "RM_lasts": "call-acme-lasts",
}


@dataclass
class Shown:
    """What Flower shows over HTTP."""

    flower: Flower

    async def get(self, path: str, **parameters: str) -> Any:
        login = {"Authorization": aiohttp.encode_basic_auth(self.flower.user, self.flower.password)}
        async with (
            aiohttp.ClientSession(self.flower.url, headers=login) as session,
            session.get(path, params=parameters) as answer,
        ):
            answer.raise_for_status()
            return await (answer.json() if "json" in answer.content_type else answer.text())

    async def rows(self, search: str = "") -> dict[str, dict[str, Any]]:
        """The rows of the list, as the page fetches them, by their tasks' ids."""
        query = {"draw": "1", "start": "0", "length": "100", "search[value]": search}
        order = {"order[0][column]": "0", "order[0][dir]": "asc", "columns[0][data]": "received"}
        page = await self.get("/tasks/datatable", **query, **order)
        return {row["uuid"]: row for row in page["data"]}

    async def row(self, task: str, state: str, seconds: float = 60) -> dict[str, Any]:
        """The row of a task once it is in this state."""
        found: dict[str, Any] = {}

        async def so() -> bool:
            found.update((await self.rows()).get(task, {}))
            return found.get("state") == state

        try:
            await until(so, seconds, every=0.2)
        except TimeoutError:
            raise AssertionError(f"{task} never became {state}: {found}; {self.flower.tail()}") from None
        return found


@dataclass
class Scene:
    """An installation of Redis, a worker and Flower, whose rooms are only listed: no agent joins."""

    redis: RedisServer
    env: Mapping[str, str]
    folder: Path
    flower: Flower

    @property
    def shown(self) -> Shown:
        return Shown(self.flower)

    def worker(self, name: str) -> Worker:
        settings = {
            "SWITCHBOARD_AGENT": "written_agent:entrypoint",
            "SWITCHBOARD_LOAD_FILE": str(self.folder / "load"),
            "SWITCHBOARD_CALL_CORES": "0",
            "SWITCHBOARD_CONNECT_SECONDS": "3600",
            "SWITCHBOARD_MAX_ATTEMPTS": "2",
        }
        return Worker(WorkerSpec(name, ("premium",), env=settings), self.folder, self.env, redis=self.redis)

    async def open(self, *sids: str) -> None:
        """Dispatch these rooms."""
        dispatcher = Dispatcher.from_settings(Settings.read(self.env))
        try:
            for sid in sids:
                assert await dispatcher.open(RoomInfo(sid, ROOMS[sid])) is DispatchResult.QUEUED
        finally:
            await dispatcher.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(binaries: Binaries, tmp_path_factory: Any) -> AsyncIterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("flower")
    (folder / "written_agent.py").write_text(AGENT)
    (folder / "load").write_text("0")
    ports = PortPicker()
    redis = RedisServer(folder, environment.inherited(), binary=str(binaries.redis), port=ports.pick())
    listed = [models.Room(sid=sid, name=name) for sid, name in ROOMS.items()]
    async with FakeLiveKitApi.serve(listed) as server:
        await redis.start()
        env = environment.inherited([folder]) | {
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": "devkey",
            "LIVEKIT_API_SECRET": SECRET,
            "REDIS_URL": redis.url,
            **LIGHT,
            "SWITCHBOARD_QUEUED_PER_TENANT": "10",
        }
        kept = {"FLOWER_PERSISTENT": "true", "FLOWER_DB": str(folder / "tasks")}
        flower = Flower(folder, env | kept, port=ports.pick())
        try:
            async with redis.client() as client:
                await declare(client, TENANTS)
            await flower.start()
            yield Scene(redis, env, folder, flower)
        finally:
            await asyncio.gather(flower.stop(), redis.stop())
