"""A worker under load takes no call; another of the same queue does, and with none the call waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from ops.stack import Worker, WorkerSpec
from tasks.rooms import State
from tests.acceptance.installation import ANSWER_SECONDS, Installation

LOW, HIGH = "0.1", "0.9"


def put(load: Path, value: str) -> None:
    """Give the worker that reads this file a load."""
    load.write_text(value)


@asynccontextmanager
async def worker_with(installation: Installation, name: str, load: Path) -> AsyncIterator[Worker]:
    put(load, LOW)
    spec = WorkerSpec(name, ("loaded",), slots=1, env={"SWITCHBOARD_LOAD_FILE": str(load)})
    started = await installation.stack.add_worker(spec)
    try:
        yield started
    finally:
        await installation.all_calls_over()
        await started.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the load of the worker of all these tests."""
    return tmp_path_factory.mktemp("intake") / "load"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def worker(installation: Installation, load: Path) -> AsyncIterator[Worker]:
    async with worker_with(installation, "one-slot", load) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def full(running: Installation, worker: Worker, load: Path) -> AsyncIterator[Worker]:
    """The worker, with a load at which it takes no call."""
    put(load, HIGH)
    await running.intake(worker, "load over the threshold")
    yield worker
    put(load, LOW)
    await running.intake(worker, "open")


async def test_a_call_goes_to_the_worker_whose_load_is_low(running: Installation, full: Worker, tmp_path: Path) -> None:
    del full
    async with worker_with(running, "spare", tmp_path / "load") as spare, running.call("loadco") as caller:
        room = await running.reaches(caller.room_sid, State.RUNNING)
        assert room.worker == spare.node
        waited = room.steps_ms["claimed"] - room.steps_ms["queued"]
        assert waited < 1000


async def test_without_another_worker_the_call_waits_in_redis_until_the_load_falls(
    running: Installation, full: Worker, load: Path
) -> None:
    async with running.call("loadco") as caller:
        await running.reaches(caller.room_sid, State.QUEUED)
        await asyncio.sleep(2)
        assert await running.rooms.redis.llen("loaded") == 1
        assert await running.rooms.redis.hlen("unacked") == 0
        put(load, LOW)
        room = await running.reaches(caller.room_sid, State.RUNNING)
        assert room.worker == full.node
        await caller.listener.wait_for_sound(0, ANSWER_SECONDS)


async def test_a_call_more_than_there_are_slots_stays_in_redis(running: Installation, worker: Worker) -> None:
    del worker
    async with running.call("loadco") as first:
        await running.reaches(first.room_sid, State.RUNNING)
        async with running.call("loadco") as second:
            await running.reaches(second.room_sid, State.QUEUED)
            await asyncio.sleep(1.5)
            assert await running.rooms.redis.llen("loaded") == 1
            await first.room.disconnect()
            await running.reaches(second.room_sid, State.RUNNING)
            await second.listener.wait_for_sound(0, ANSWER_SECONDS)
