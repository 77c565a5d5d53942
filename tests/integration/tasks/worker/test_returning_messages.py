"""A message that reaches a worker whose gate has closed meanwhile is returned to its queue."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ops.stack import Worker
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import Intake, Room, RoomStore, State
from tests.integration.tasks.worker.dispatched import all_dead, intake_becomes, open_rooms, set_load
from tests.support.waiting import until

ROUNDS = 20


async def queue_length(rooms: RoomStore) -> int:
    return int(await rooms.redis.llen("premium"))


async def get(rooms: RoomStore, sid: str) -> Room:
    room = await rooms.get(sid)
    assert room is not None
    return room


async def taken_by_a_closed_gate(rooms: RoomStore, dispatcher: Dispatcher, load: Path) -> str:
    """A room whose message was read by a BRPOP that had begun before the load rose."""
    for number in range(ROUNDS):
        set_load(load, "0")
        await intake_becomes(rooms, Intake.OPEN)
        # A BRPOP lasts as long as two samples of the load. In step with them it would always end as the gate closes.
        await asyncio.sleep(number % 10 / 10)
        set_load(load, "1")
        await intake_becomes(rooms, Intake.LOAD)
        if not any(client["cmd"] == "brpop" for client in await rooms.redis.client_list()):
            continue
        (sid,) = await open_rooms(dispatcher, f"{number}-", 1)
        # Redis hands it to a waiting BRPOP at once.
        if await queue_length(rooms) == 0:
            return sid
        await rooms.close(sid)
        await rooms.redis.delete("premium")
    raise AssertionError("no BRPOP was under way when the gate closed")


async def test_a_message_that_was_taken_before_the_load_rose_is_returned_for_another_worker(
    worker: Worker, dispatcher: Dispatcher, rooms: RoomStore, load: Path
) -> None:
    sid = await taken_by_a_closed_gate(rooms, dispatcher, load)

    async def is_back() -> bool:
        # Celery would give a message that was not acknowledged to a worker once more. It is acknowledged last.
        return await queue_length(rooms) == 1 and await rooms.redis.hlen("unacked") == 0

    await until(is_back)
    room = await get(rooms, sid)
    assert (room.state, room.attempt, room.worker, room.pid) == (State.QUEUED, 1, "", None)
    await intake_becomes(rooms, Intake.LOAD)
    assert await queue_length(rooms) == 1

    set_load(load, "0")
    await all_dead(rooms, [sid])
    assert (await get(rooms, sid)).attempt == 1
    assert await queue_length(rooms) == 0
