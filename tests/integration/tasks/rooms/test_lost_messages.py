"""Returning a message that a worker cannot start, and requeuing one that is in no queue."""

from __future__ import annotations

import pytest

from tasks.rooms import Room, RoomStore, State, keys
from tests.integration.tasks.rooms.calls import (
    QUEUE,
    claim,
    end,
    message,
    open_room,
    queued_messages,
    requeue,
    run,
    take,
)
from tests.support.waiting import until

LONG_AGO_MS = 5000


async def queued_long_ago(rooms: RoomStore, *sids: str) -> None:
    """Let the rooms look queued long ago. Redis' own clock decides, and it cannot be moved."""
    await rooms.redis.zadd(keys.QUEUED, dict.fromkeys(sids or ["RM_1"], 1000))


async def requeued(rooms: RoomStore, limit: int = 50) -> list[str]:
    return await rooms.requeue_lost_messages(LONG_AGO_MS, limit)


async def test_a_returned_message_is_the_next_one_to_be_taken(rooms: RoomStore) -> None:
    await open_room(rooms)
    await open_room(rooms, "RM_2", content=b"a call that came later")
    assert await take(rooms) == message(1).decode()
    assert await rooms.return_message("RM_1", 1)
    assert await queued_messages(rooms) == [message(1).decode(), "a call that came later"]
    await run(rooms)


async def test_a_message_is_not_returned_when_its_room_is_claimed_over_or_unknown(rooms: RoomStore) -> None:
    assert not await rooms.return_message("RM_1", 1)
    await open_room(rooms)
    await run(rooms)
    assert not await rooms.return_message("RM_1", 1)
    await end(rooms)
    assert not await rooms.return_message("RM_1", 1)
    assert await queued_messages(rooms) == []


async def test_the_message_of_an_earlier_attempt_is_not_returned(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    await requeue(rooms)
    assert await take(rooms) == message(2).decode()
    assert not await rooms.return_message("RM_1", 1)
    assert await queued_messages(rooms) == []
    assert await rooms.return_message("RM_1", 2)
    assert await queued_messages(rooms) == [message(2).decode()]


async def test_a_message_that_is_in_no_queue_is_requeued_in_front(rooms: RoomStore) -> None:
    await open_room(rooms)
    await take(rooms)
    await open_room(rooms, "RM_2", content=b"a call that came later")
    await queued_long_ago(rooms)
    assert await requeued(rooms) == ["RM_1"]
    assert await queued_messages(rooms) == [message(1).decode(), "a call that came later"]
    await run(rooms)


async def test_the_message_of_a_later_attempt_is_requeued_too(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    await requeue(rooms)
    await take(rooms)
    await queued_long_ago(rooms)
    assert await requeued(rooms) == ["RM_1"]
    assert await queued_messages(rooms) == [message(2).decode()]


async def test_a_message_that_was_taken_a_moment_ago_is_not_lost(rooms: RoomStore) -> None:
    await open_room(rooms)
    await take(rooms)
    assert await rooms.requeue_lost_messages(60_000, 50) == []
    assert await queued_messages(rooms) == []
    assert await rooms.requeue_lost_messages(0, 50) == ["RM_1"]


async def test_a_message_that_waits_in_its_queue_stays_there_once(rooms: RoomStore) -> None:
    await open_room(rooms)
    for _ in range(3):
        await queued_long_ago(rooms)
        assert await requeued(rooms) == []
    assert await queued_messages(rooms) == [message(1).decode()]


async def test_a_requeued_message_is_looked_for_again_only_after_a_while(rooms: RoomStore) -> None:
    await open_room(rooms)
    await take(rooms)
    await queued_long_ago(rooms)
    assert await requeued(rooms) == ["RM_1"]
    await take(rooms)
    assert await requeued(rooms) == []


async def test_each_part_is_of_limited_size_and_the_next_one_goes_on_with_other_rooms(rooms: RoomStore) -> None:
    sids = [f"RM_{number}" for number in range(10)]
    for sid in sids:
        await open_room(rooms, sid, content=sid.encode())
    await rooms.redis.delete(QUEUE)
    await queued_long_ago(rooms, *sids)
    parts = [await requeued(rooms, limit=4) for _ in range(4)]
    assert [len(part) for part in parts] == [4, 4, 2, 0]
    assert sorted(sid for part in parts for sid in part) == sids
    assert sorted(await queued_messages(rooms)) == sids


async def test_the_claim_of_a_duplicate_message_is_refused(rooms: RoomStore) -> None:
    await open_room(rooms)
    await take(rooms)
    await queued_long_ago(rooms)
    await requeued(rooms)
    assert isinstance(await claim(rooms, claimant="of the message that was thought lost"), Room)
    assert not isinstance(await claim(rooms, claimant="of the requeued message"), Room)


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_room_that_is_no_longer_queued_is_removed(rooms: RoomStore, *, forgotten: bool) -> None:
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
    assert await requeued(rooms) == []
    assert await queued_messages(rooms) == []
    assert await rooms.redis.zcard(keys.QUEUED) == 0


async def test_a_claimed_room_is_not_looked_at(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    assert await rooms.redis.zcard(keys.QUEUED) == 0
    assert await rooms.requeue_lost_messages(0, 50) == []
    room = await rooms.get("RM_1")
    assert room is not None
    assert room.state is State.RUNNING


async def test_a_long_queue_is_searched_once_for_many_messages(rooms: RoomStore) -> None:
    sids = [f"RM_{number:03}" for number in range(120)]
    for sid in sids:
        await open_room(rooms, sid, content=sid.encode())
    await queued_long_ago(rooms, *sids)
    for _ in range(3):
        await rooms.redis.config_resetstat()
        assert await requeued(rooms, limit=40) == []
        assert (await rooms.redis.info("commandstats"))["cmdstat_lpos"]["calls"] == 1
    assert await queued_messages(rooms) == sids


async def test_of_many_messages_only_those_that_are_in_no_queue_are_requeued(rooms: RoomStore) -> None:
    sids = [f"RM_{number:03}" for number in range(90)]
    for sid in sids:
        await open_room(rooms, sid, content=sid.encode())
    lost = sids[::3]
    for sid in lost:
        await rooms.redis.lrem(QUEUE, 1, sid)
    await queued_long_ago(rooms, *sids)
    assert [sid for _ in range(3) for sid in await requeued(rooms, limit=30)] == lost
    assert sorted(await queued_messages(rooms)) == sids


async def test_a_delayed_message_is_back_in_its_queue_when_the_delay_is_over(rooms: RoomStore) -> None:
    await open_room(rooms)
    assert await take(rooms) == message(1).decode()
    assert await rooms.delay("RM_1", 1, 1)
    assert await queued_messages(rooms) == []
    # It is no lost message meanwhile.
    await queued_long_ago(rooms)
    assert await requeued(rooms) == []

    async def is_back() -> bool:
        await rooms.queue_delayed_rooms(10)
        return await queued_messages(rooms) == [message(1).decode()]

    await until(is_back)
    await run(rooms)


async def test_only_the_message_of_a_room_that_waits_for_this_attempt_is_delayed(rooms: RoomStore) -> None:
    assert not await rooms.delay("RM_1", 1, 1000)
    await open_room(rooms)
    await run(rooms)
    assert not await rooms.delay("RM_1", 1, 1000)
    await requeue(rooms)
    assert not await rooms.delay("RM_1", 1, 1000)
    assert await queued_messages(rooms) == [message(2).decode()]
