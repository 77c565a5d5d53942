"""A LiveKit server that refuses connections while a room waits for its agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import Room, RoomStore, State, keys
from tests.integration.tasks.worker.dispatched import open_rooms
from tests.support.tenants import declare
from tests.support.waiting import until

REFUSING = "ws://127.0.0.1:9"
LONG_SECONDS = 60.0
"""Three attempts, each in a child of its own."""


@pytest.fixture
async def cut_off(
    redis_server: RedisServer,
    switchboard_env: dict[str, str],
    dispatcher: Dispatcher,
    rooms: RoomStore,
    tmp_path: Path,
    load: Path,
) -> AsyncIterator[Worker]:
    """A worker that cannot reach the LiveKit server, and may make one failed attempt."""
    await declare(rooms.redis, '[tenants.acme]\ntier = "premium"\n')
    limits = {"SWITCHBOARD_MAX_ATTEMPTS": "1", "SWITCHBOARD_CALL_CORES": "0", "SWITCHBOARD_LOAD_FILE": str(load)}
    spec = WorkerSpec("one", ("premium",), slots=2, env=limits)
    env = environment.merged(environment.inherited(), switchboard_env, {"LIVEKIT_URL": REFUSING})
    worker = Worker(spec, tmp_path, env, redis=redis_server)
    await worker.start()
    yield worker
    await worker.stop()


async def test_attempts_that_cannot_reach_the_server_are_not_used_up_and_wait_longer_each_time(
    cut_off: Worker, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    del cut_off
    (sid,) = await open_rooms(dispatcher, "a", 1)

    async def room() -> Room:
        found = await rooms.get(sid)
        assert found is not None
        return found

    for attempt in (3, 4):

        async def is_delayed(attempt: int = attempt) -> bool:
            held_back = await rooms.redis.zscore(keys.DELAYED, sid) is not None
            return held_back and (await room()).attempt == attempt

        await until(is_delayed, LONG_SECONDS)
        assert (await room()).state is State.QUEUED
        assert await rooms.redis.llen("premium") == 0
        # As the reconciler does when the delay is over.
        await rooms.redis.zadd(keys.DELAYED, {sid: 0})
        assert await rooms.queue_delayed_rooms(10) == [sid]
    assert await rooms.list_dead_letters() == []
    assert "The LiveKit server did not answer" in (await room()).reason
