"""Each tier's rooms are answered by the worker of its queue, and every view of the system says the same of it."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

import aiohttp

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


async def flower_task(running: Installation, task: str) -> dict[str, Any]:
    """What Flower's API knows of a task, once it knows its worker."""
    flower = running.stack.flower
    assert flower is not None
    login = {"Authorization": aiohttp.encode_basic_auth(flower.user, flower.password)}
    info: dict[str, Any] = {}
    async with aiohttp.ClientSession(flower.url, headers=login) as session:

        async def known() -> bool:
            async with session.get(f"/api/task/info/{task}") as response:
                if response.status == 200:
                    info.update(await response.json())
            return bool(info.get("worker"))

        await until(known)
    return info


async def test_three_rooms_of_three_tiers_are_answered_by_the_workers_of_their_queues(running: Installation) -> None:
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
            task = await flower_task(running, f"{room.sid}:1")
            assert task["worker"] == room.worker
            assert f"'tenant': '{tenant}', 'tier': '{tier}'" in task["kwargs"]
            assert f"'room': '{room.name}'" in task["kwargs"]


async def test_flower_asks_for_its_password(running: Installation) -> None:
    flower = running.stack.flower
    assert flower is not None
    async with aiohttp.ClientSession(flower.url) as session, session.get("/api/workers") as response:
        assert response.status == 401
