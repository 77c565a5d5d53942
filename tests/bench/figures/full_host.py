"""A full host: calls that each use a thirtieth of its CPU come one after another, until its worker takes no more.

The calls join no room, so that nothing but the worker uses the host. The worker has its default settings: its load gate
decides, and not a number of calls for each core.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from livekit.protocol import models

from ops.stack import Worker, WorkerSpec, environment
from tasks.rooms import State
from tests.bench.pair import Pairs
from tests.bench.row import Row, at_least
from tests.bench.scaling.fixture import MEASURED_TIER, Installation
from tests.bench.side import QUIET_LOAD
from tests.bench.size import Size
from tests.support.fake_livekit_api import FakeLiveKitApi
from tests.support.waiting import until

AGENTS = Path(__file__).parent.parent / "agents"
CALLS_OF_A_HOST = 30
CALLS = 20
"""Two thirds of the host's CPU: the threshold of load is 0.7, and a call that starts needs more than one that runs."""
TAKEN_SECONDS = 6.0
"""A worker that has not taken a call for so long is full: its load is an average over 2.5 s."""
READY_SECONDS = 60.0


async def measure(pairs: Pairs, _: Size) -> list[Row]:
    await pairs.aclose()
    cores = (os.cpu_count() or 1) / CALLS_OF_A_HOST
    rooms = {f"tenant-{number}": _room(f"tenant-{number}") for number in range(CALLS_OF_A_HOST)}
    async with Installation.start(pairs.binaries) as installation, FakeLiveKitApi.serve([*rooms.values()]) as livekit:
        env = environment.merged(
            installation.environment,
            environment.inherited([AGENTS]),
            {
                "LIVEKIT_URL": livekit.url,
                "SWITCHBOARD_AGENT": "steady_load:entrypoint",
                # The calls never join.
                "SWITCHBOARD_CONNECT_SECONDS": "3600",
                "BENCH_CALL_CORES": str(cores),
            },
        )
        spec = WorkerSpec("full", (MEASURED_TIER,), slots=None)
        worker = Worker(spec, installation.server.directory, env, redis=installation.server)
        await worker.start()
        try:
            await until(lambda: _is_quiet(installation), READY_SECONDS)
            taken = await _taken(installation, rooms)
        finally:
            worker.kill()
            await worker.stop()
    figure = f"full host: calls of {1 / CALLS_OF_A_HOST:.1%} of its CPU that an idle host takes by default"
    return [Row(figure, "calls", taken, goal=at_least(CALLS))]


async def _is_quiet(installation: Installation) -> bool:
    workers = await installation.store.list_workers()
    return any(worker.idle and worker.load < QUIET_LOAD / 2 for worker in workers)


async def _taken(installation: Installation, rooms: Mapping[str, models.Room]) -> int:
    """Open a room after the other, each of a tenant of its own, until one is not taken; return how many were."""
    for number, (tenant, room) in enumerate(rooms.items()):
        await installation.declare({tenant: MEASURED_TIER})
        await installation.open(room.sid, tenant, MEASURED_TIER)

        async def is_taken(sid: str = room.sid) -> bool:
            found = await installation.store.get(sid)
            return found is not None and found.state is State.RUNNING

        try:
            await until(is_taken, TAKEN_SECONDS)
        except TimeoutError:
            return number
    return len(rooms)


def _room(tenant: str) -> models.Room:
    return models.Room(sid=f"RM_{tenant}", name=f"call-{tenant}-RM_{tenant}")
