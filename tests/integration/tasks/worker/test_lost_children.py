"""A child that has died loses its own call only, on a real Redis.

Messages are delivered at least once. A second child that got the same message may die before its claim is refused, on
this worker or on another one: the call of the first goes on.
"""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tasks.queue.dispatcher import Dispatcher, RoomInfo
from tasks.rooms import Room, RoomStore, State
from tasks.settings import Settings
from tasks.worker import room_actions

SID, NODE, PID = "RM_1", "celery@one", 7


@pytest.fixture
async def running(dispatcher: Dispatcher, rooms: RoomStore) -> Room:
    await dispatcher.open(RoomInfo(SID, "call-acme-1"))
    room = await rooms.claim(SID, 1, claimant="first", worker=NODE, pid=PID)
    assert isinstance(room, Room)
    return room


async def die(*, attempt: int = 1, node: str = NODE, pid: int = PID) -> None:
    requeue = partial(room_actions.requeue_lost_call, reason="killed", settings=Settings.read())
    await asyncio.to_thread(requeue, SID, attempt, node=node, pid=pid)


@pytest.mark.parametrize(
    ("node", "pid", "attempt"),
    [("celery@two", PID, 1), (NODE, PID + 1, 1), ("celery@two", PID + 1, 1), (NODE, PID, 2)],
    ids=["another worker", "another child of this worker", "another child of another worker", "another attempt"],
)
async def test_a_child_that_dies_with_a_duplicate_takes_no_call_away(
    running: Room, rooms: RoomStore, node: str, pid: int, attempt: int
) -> None:
    await die(node=node, pid=pid, attempt=attempt)
    room = await rooms.get(SID)
    assert room is not None
    assert (room.state, room.attempt, room.claimant) == (State.RUNNING, 1, running.claimant)
    assert await rooms.redis.llen("premium") == 0


async def test_the_child_that_had_the_call_loses_it(running: Room, rooms: RoomStore) -> None:
    await die()
    room = await rooms.get(SID)
    assert room is not None
    assert (room.state, room.attempt) == (State.QUEUED, running.attempt + 1)
    assert await rooms.redis.llen("premium") == 1
