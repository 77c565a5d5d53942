"""Pickup: from the queue into a child. The calls end at once, because their agent rejects them."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher, RoomInfo
from tasks.rooms import RoomStore, State
from tasks.settings import Settings
from tests.bench.pair import Pairs
from tests.bench.row import Row, at_most
from tests.bench.size import Size
from tests.bench.stats import Sample, percentile
from tests.support.tenants import declare, signer
from tests.support.waiting import until

SLOTS = 4
APART_SECONDS = 0.8
"""Time in which a call ends and its child is replaced, so that the worker does not fork when the next room comes."""
SECRET = "a-secret-that-is-long-enough-for-hs256"
NO_SERVER = "ws://127.0.0.1:1"
AGENTS = Path(__file__).parents[1] / "agents"
TENANT = '[tenants.bench]\ntier = "premium"\nagent = "rejecting:server"\n'


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    await pairs.aclose()
    directory = Path(tempfile.mkdtemp(prefix="pickup-", dir=pairs.directory))
    base = environment.inherited()
    redis = RedisServer(directory, base, binary=str(pairs.binaries.redis), port=PortPicker().pick())
    load = directory / "load"
    load.write_text("0")
    env = {
        **base,
        "LIVEKIT_URL": NO_SERVER,
        "LIVEKIT_API_KEY": "devkey",
        "LIVEKIT_API_SECRET": SECRET,
        "REDIS_URL": redis.url,
        "PYTHONPATH": str(AGENTS),
        "SWITCHBOARD_LOAD_FILE": str(load),
        "SWITCHBOARD_CALL_CORES": "0",
    }
    worker = Worker(WorkerSpec("pickup", ("premium",), slots=SLOTS), directory, env, redis=redis)
    try:
        await redis.start()
        await worker.start()
        return _rows(await _measure_pickups(redis, size.pickups))
    finally:
        await worker.stop()
        await redis.stop()


async def _measure_pickups(redis: RedisServer, count: int) -> list[Sample]:
    """Return the milliseconds from `queued` to `claimed` of each room."""
    env = {"LIVEKIT_API_KEY": "devkey", "LIVEKIT_API_SECRET": SECRET, "REDIS_URL": redis.url}
    dispatcher = Dispatcher.from_settings(Settings.read(env))
    samples: list[Sample] = []
    async with redis.client() as client:
        rooms = RoomStore(client)
        await declare(client, TENANT, signed_by=signer(secret=SECRET))

        async def has_slots() -> bool:
            return any(status.idle for status in await rooms.list_workers())

        await until(has_slots)
        try:
            for number in range(count):
                sid = f"RM_pickup{number}"
                await dispatcher.open(RoomInfo(sid, f"call-bench-{number}"))
                await asyncio.sleep(APART_SECONDS)
                samples.append(await _pickup_ms(rooms, sid))
        finally:
            await dispatcher.aclose()
    return samples


async def _pickup_ms(rooms: RoomStore, sid: str) -> float:
    async def ended() -> bool:
        room = await rooms.get(sid)
        return room is not None and room.state is State.ENDED

    await until(ended)
    room = await rooms.get(sid)
    assert room is not None
    return float(room.steps_ms["claimed"] - room.steps_ms["queued"])


def _rows(samples: list[Sample]) -> list[Row]:
    goals = {"p50": (50, None), "p99": (99, at_most(15, "ms")), "max": (100, None)}
    return [
        Row(
            f"pickup: queued to claimed by a fresh child, {name} of {len(samples)}",
            "ms",
            value,
            goal=goal,
            samples=kept,
        )
        for name, (percent, goal) in goals.items()
        for value in [percentile(samples, percent)]
        for kept in [{"ours": samples} if goal else {}]
    ]
