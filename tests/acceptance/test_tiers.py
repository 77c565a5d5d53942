"""Each tier's rooms are answered by the worker of its queue, and every view of the system says the same of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest_asyncio

from ops.stack import WorkerSpec, environment
from ops.stack.flower import Flower
from ops.stack.ports import PortPicker
from tasks.rooms import State
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.support.waiting import until

TIERS = {"acme": "premium", "bolt": "standard", "coral": "free"}


async def switchboard_ps(running: Installation) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.cli", "ps", "--json"),
        stdout=asyncio.subprocess.PIPE,
        env={**running.stack.receivers[0].env},
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    rooms: list[dict[str, Any]] = json.loads(output)["rooms"]
    return rooms


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def flower(installation: Installation) -> AsyncIterator[Flower]:
    """Flower, and the third tier's worker, which it has heard. No other file needs either of them."""
    stack = installation.stack
    flower = Flower(stack.directory, environment.merged(environment.inherited(), stack.env), port=PortPicker().pick())
    free = WorkerSpec("free", ("free",))
    try:
        _, worker = await asyncio.gather(flower.start(), stack.add_worker(free))
        async with session_of(flower) as session:

            async def is_heard() -> bool:
                async with session.get("/workers", params={"json": "1"}) as response:
                    return worker.node in {each["hostname"] for each in (await response.json())["data"]}

            await until(is_heard)
        yield flower
    finally:
        await asyncio.gather(flower.stop(), stack.workers[free.name].stop())


def session_of(flower: Flower) -> aiohttp.ClientSession:
    """A session of its user's."""
    login = {"Authorization": aiohttp.encode_basic_auth(flower.user, flower.password)}
    return aiohttp.ClientSession(flower.url, headers=login)


async def flower_task(flower: Flower, task: str) -> dict[str, Any]:
    """What Flower's API knows of a task, once it knows its worker."""
    info: dict[str, Any] = {}
    async with session_of(flower) as session:

        async def known() -> bool:
            async with session.get(f"/api/task/info/{task}") as response:
                if response.status == 200:
                    info.update(await response.json())
            return bool(info.get("worker"))

        await until(known)
    return info


async def test_three_rooms_of_three_tiers_are_answered_by_the_workers_of_their_queues(
    running: Installation, flower: Flower
) -> None:
    async with AsyncExitStack() as calls:
        callers = {tenant: await calls.enter_async_context(running.call(tenant)) for tenant in TIERS}
        rooms = {tenant: await running.reaches(caller.room_sid, State.RUNNING) for tenant, caller in callers.items()}
        for caller in callers.values():
            await caller.listener.wait_for_sound(0, ANSWER_SECONDS)

        listed = {room["sid"]: room for room in await switchboard_ps(running)}
        for tenant, tier in TIERS.items():
            room = rooms[tenant]
            assert (room.tier, room.queue) == (tier, tier)
            assert room.worker == running.stack.workers[tier].node
            shown = listed[room.sid]
            assert (shown["worker"], shown["tier"], shown["state"]) == (room.worker, tier, "running")
            task = await flower_task(flower, f"{room.sid}:1")
            assert task["worker"] == room.worker
            assert f"'tenant': '{tenant}', 'tier': '{tier}'" in task["kwargs"]
            assert f"'room': '{room.name}'" in task["kwargs"]


async def test_flower_asks_for_its_password(flower: Flower) -> None:
    async with aiohttp.ClientSession(flower.url) as session, session.get("/api/workers") as response:
        assert response.status == 401
