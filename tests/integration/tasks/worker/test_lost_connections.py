"""A worker whose connection to Redis is lost while a call starts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher, RoomInfo
from tasks.rooms import Intake, RoomStore, State
from tests.integration.tasks.worker.calling import calling
from tests.support.waiting import until

AGENT = """
import asyncio
from billiard.pool import ApplyResult
from tasks.worker.pool.one_shot_pool import OneShotPool

held_back = []
ack, flush = ApplyResult._ack, OneShotPool.Pool.flush

def hold_back(job, *arguments):
    # As a main process does that waits for Redis: what its child says is read when the connection is lost.
    held_back.append((job, arguments))

def read_later(pool):
    flush(pool)
    ApplyResult._ack = ack
    for job, arguments in held_back:
        if job._job in pool._cache:
            ack(job, *arguments)

ApplyResult._ack, OneShotPool.Pool.flush = hold_back, read_later

async def entrypoint(ctx):
    await asyncio.Event().wait()
"""
CALLS = 4
"""With one spare: of those that come next, one would get the child that has a call."""


async def test_a_child_that_was_just_sent_a_call_is_not_sent_another_one(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    names = tuple(f"call-acme-{number}" for number in range(CALLS))
    async with calling(
        redis_server,
        switchboard_env,
        dispatcher,
        rooms,
        tmp_path,
        AGENT,
        slots=None,
        names=names,
        opened=1,
        settings={"SWITCHBOARD_SPARES": "1"},
    ) as worker:
        first = await worker.child("RM_a0")

        async def connected_again() -> bool:
            states = [status.state for status in await rooms.list_workers()]
            if states == [Intake.OPEN] and not worker.logged("Redis fails"):
                # It waits for a message, and notices that its connection is gone.
                await rooms.redis.client_kill_filter(_type="normal", skipme=True)
            return bool(worker.logged("Redis answers again"))

        await until(connected_again)
        await asyncio.gather(
            *(dispatcher.open(RoomInfo(f"RM_a{number}", name)) for number, name in enumerate(names) if number)
        )

        async def all_run() -> bool:
            found = [await rooms.get(f"RM_a{number}") for number in range(CALLS)]
            return all(room is not None and room.state is State.RUNNING for room in found)

        await until(all_run, 60)
        assert len({await worker.child(f"RM_a{number}") for number in range(CALLS)}) == CALLS
        # Otherwise it would have been killed, for a call that it does not begin.
        assert await worker.child("RM_a0") == first
        assert (await worker.room("RM_a0")).attempt == 1
        assert not worker.logged("killing an overdue child")
