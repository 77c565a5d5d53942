"""A task that its worker cannot start goes back into its queue, and so does one that is in no queue."""

from __future__ import annotations

import pytest

from tasks.rooms import Room, RoomStore, State, keys
from tests.integration.tasks.rooms.calls import QUEUE, claim, end, lose, message, open_room, run, take, waiting

LONG_AGO_MS = 5000


async def queued_long_ago(rooms: RoomStore, *sids: str) -> None:
    """As if so much time had gone by: Redis' own clock decides, and it cannot be moved."""
    await rooms.redis.zadd(keys.QUEUED, dict.fromkeys(sids or ["RM_1"], 1000))


async def found(rooms: RoomStore, limit: int = 50) -> list[str]:
    return await rooms.find_tasks(LONG_AGO_MS, limit)


async def test_a_task_that_is_put_back_is_the_next_one_to_be_taken(rooms: RoomStore) -> None:
    await open_room(rooms)
    await open_room(rooms, "RM_2", content=b"a call that came later")
    assert await take(rooms) == message(1).decode()
    assert await rooms.put_back("RM_1", 1)
    assert await waiting(rooms) == [message(1).decode(), "a call that came later"]
    await run(rooms)


async def test_a_task_is_not_put_back_when_its_room_is_claimed_over_or_unknown(rooms: RoomStore) -> None:
    assert not await rooms.put_back("RM_1", 1)
    await open_room(rooms)
    await run(rooms)
    assert not await rooms.put_back("RM_1", 1)
    await end(rooms)
    assert not await rooms.put_back("RM_1", 1)
    assert await waiting(rooms) == []


async def test_a_task_of_an_earlier_attempt_is_not_put_back(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    await lose(rooms)
    assert await take(rooms) == message(2).decode()
    assert not await rooms.put_back("RM_1", 1)
    assert await waiting(rooms) == []
    assert await rooms.put_back("RM_1", 2)
    assert await waiting(rooms) == [message(2).decode()]


async def test_a_task_that_is_in_no_queue_is_found_and_goes_in_front(rooms: RoomStore) -> None:
    await open_room(rooms)
    await take(rooms)
    await open_room(rooms, "RM_2", content=b"a call that came later")
    await queued_long_ago(rooms)
    assert await found(rooms) == ["RM_1"]
    assert await waiting(rooms) == [message(1).decode(), "a call that came later"]
    await run(rooms)


async def test_the_task_of_a_later_attempt_is_found_too(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    await lose(rooms)
    await take(rooms)
    await queued_long_ago(rooms)
    assert await found(rooms) == ["RM_1"]
    assert await waiting(rooms) == [message(2).decode()]


async def test_a_task_that_was_taken_a_moment_ago_is_on_its_way(rooms: RoomStore) -> None:
    await open_room(rooms)
    await take(rooms)
    assert await rooms.find_tasks(60_000, 50) == []
    assert await waiting(rooms) == []
    assert await rooms.find_tasks(0, 50) == ["RM_1"]


async def test_a_task_that_waits_in_its_queue_is_left_there_once(rooms: RoomStore) -> None:
    await open_room(rooms)
    for _ in range(3):
        await queued_long_ago(rooms)
        assert await found(rooms) == []
    assert await waiting(rooms) == [message(1).decode()]


async def test_a_task_that_was_found_is_looked_for_again_only_after_a_while(rooms: RoomStore) -> None:
    await open_room(rooms)
    await take(rooms)
    await queued_long_ago(rooms)
    assert await found(rooms) == ["RM_1"]
    await take(rooms)
    assert await found(rooms) == []


async def test_one_look_is_at_so_many_rooms_and_the_next_one_at_others(rooms: RoomStore) -> None:
    sids = [f"RM_{number}" for number in range(10)]
    for sid in sids:
        await open_room(rooms, sid, content=sid.encode())
    await rooms.redis.delete(QUEUE)
    await queued_long_ago(rooms, *sids)
    looks = [await found(rooms, limit=4) for _ in range(4)]
    assert [len(look) for look in looks] == [4, 4, 2, 0]
    assert sorted(sid for look in looks for sid in look) == sids
    assert sorted(await waiting(rooms)) == sids


async def test_a_duplicate_of_a_task_finds_the_claim_taken(rooms: RoomStore) -> None:
    await open_room(rooms)
    await take(rooms)
    await queued_long_ago(rooms)
    await found(rooms)
    assert isinstance(await claim(rooms, claimant="whose task was thought lost"), Room)
    assert not isinstance(await claim(rooms, claimant="whose task was found"), Room)


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_room_that_waits_no_more_drops_out(rooms: RoomStore, *, forgotten: bool) -> None:
    await open_room(rooms)
    await take(rooms)
    if forgotten:
        await rooms.redis.delete(keys.room("RM_1"))
        await rooms.redis.zrem(keys.ROOMS, "RM_1")
    else:
        await rooms.close("RM_1")
        # A cancelled room leaves the set at once; as if one had been left behind.
        assert await rooms.redis.zcard(keys.QUEUED) == 0
    await queued_long_ago(rooms)
    assert await found(rooms) == []
    assert await waiting(rooms) == []
    assert await rooms.redis.zcard(keys.QUEUED) == 0


async def test_a_claimed_room_is_not_looked_at(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    assert await rooms.redis.zcard(keys.QUEUED) == 0
    assert await rooms.find_tasks(0, 50) == []
    room = await rooms.get("RM_1")
    assert room is not None
    assert room.state is State.RUNNING


async def test_where_many_wait_the_queue_is_gone_through_once_in_a_look(rooms: RoomStore) -> None:
    sids = [f"RM_{number:03}" for number in range(120)]
    for sid in sids:
        await open_room(rooms, sid, content=sid.encode())
    await queued_long_ago(rooms, *sids)
    for _ in range(3):
        await rooms.redis.config_resetstat()
        assert await found(rooms, limit=40) == []
        assert (await rooms.redis.info("commandstats"))["cmdstat_lpos"]["calls"] == 1
    assert await waiting(rooms) == sids


async def test_of_many_tasks_only_those_that_are_in_no_queue_are_put_back(rooms: RoomStore) -> None:
    sids = [f"RM_{number:03}" for number in range(90)]
    for sid in sids:
        await open_room(rooms, sid, content=sid.encode())
    lost = sids[::3]
    for sid in lost:
        await rooms.redis.lrem(QUEUE, 1, sid)
    await queued_long_ago(rooms, *sids)
    assert [sid for _ in range(3) for sid in await found(rooms, limit=30)] == lost
    assert sorted(await waiting(rooms)) == sids
