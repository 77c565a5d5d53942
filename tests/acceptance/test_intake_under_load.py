"""A worker under load takes no call; another of the same queue does, and with none the call waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ops.stack import Worker, WorkerSpec
from tasks.rooms import State
from tests.acceptance.installation import ANSWER_SECONDS, Installation

LOW, HIGH = "0.1", "0.9"


@asynccontextmanager
async def worker(running: Installation, name: str, load: Path) -> AsyncIterator[Worker]:
    load.write_text(LOW)  # noqa: ASYNC240 - a few bytes
    spec = WorkerSpec(name, ("loaded",), env={"SWITCHBOARD_LOAD_FILE": str(load), "SWITCHBOARD_SLOTS": "1"})
    started = await running.stack.add_worker(spec)
    try:
        yield started
    finally:
        await running.all_calls_over()
        await started.stop()


async def test_a_call_goes_to_the_worker_whose_load_is_low(running: Installation, tmp_path: Path) -> None:
    busy_load, free_load = tmp_path / "busy", tmp_path / "free"
    async with worker(running, "busy", busy_load) as busy, worker(running, "spare", free_load) as spare:
        busy_load.write_text(HIGH)
        await running.intake(busy, "load over the threshold")
        async with running.call("loadco") as caller:
            room = await running.reaches(caller.room_sid, State.RUNNING)
            assert room.worker == spare.node
            waited = room.steps_ms["claimed"] - room.steps_ms["queued"]
            assert waited < 1000


async def test_without_another_worker_the_call_waits_in_redis_until_the_load_falls(
    running: Installation, tmp_path: Path
) -> None:
    load = tmp_path / "load"
    async with worker(running, "alone", load) as alone:
        load.write_text(HIGH)
        await running.intake(alone, "load over the threshold")
        async with running.call("loadco") as caller:
            await running.reaches(caller.room_sid, State.QUEUED)
            await asyncio.sleep(2)
            assert await running.rooms.redis.llen("loaded") == 1
            assert await running.rooms.redis.hlen("unacked") == 0
            load.write_text(LOW)
            room = await running.reaches(caller.room_sid, State.RUNNING)
            assert room.worker == alone.node
            await caller.listener.wait_for_sound(0, ANSWER_SECONDS)


async def test_a_call_more_than_there_are_slots_stays_in_redis(running: Installation, tmp_path: Path) -> None:
    async with worker(running, "one-slot", tmp_path / "load"), running.call("loadco") as first:
        await running.reaches(first.room_sid, State.RUNNING)
        async with running.call("loadco") as second:
            await running.reaches(second.room_sid, State.QUEUED)
            await asyncio.sleep(1.5)
            assert await running.rooms.redis.llen("loaded") == 1
            await first.room.disconnect()
            await running.reaches(second.room_sid, State.RUNNING)
            await second.listener.wait_for_sound(0, ANSWER_SECONDS)
