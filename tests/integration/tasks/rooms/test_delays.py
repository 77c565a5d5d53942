"""The delay between attempts that fail one after another, in a room whose caller is still there."""

from __future__ import annotations

import asyncio

from tasks.rooms import LossCause, PublicReason, RequeueResult, RoomStore, State, keys
from tests.integration.tasks.rooms.calls import claim, get, message, open_room, queued_messages, requeue, run


async def delay_ms(rooms: RoomStore) -> float:
    """How long the room's message is held back from now on."""
    score = await rooms.redis.zscore(keys.DELAYED, "RM_1")
    seconds, microseconds = await rooms.redis.time()
    return 0 if score is None else score - (seconds * 1000 + microseconds / 1000)


async def fail_and_let_the_delay_pass(rooms: RoomStore, attempt: int) -> float:
    await run(rooms, attempt)
    assert await requeue(rooms, attempt, cause=LossCause.NOT_ITS_FAULT) is RequeueResult.REQUEUED
    delay = await delay_ms(rooms)
    if delay:
        assert await queued_messages(rooms) == []
        assert await rooms.queue_delayed_rooms(10) == []
        await rooms.redis.zadd(keys.DELAYED, {"RM_1": 0})
        assert await rooms.queue_delayed_rooms(10) == ["RM_1"]
    assert await queued_messages(rooms) == [message(attempt + 1).decode()]
    return delay


async def test_the_delay_doubles_with_each_quick_failure_up_to_eight_seconds(rooms: RoomStore) -> None:
    await open_room(rooms)
    delays = [await fail_and_let_the_delay_pass(rooms, attempt) for attempt in range(1, 8)]
    for delay, most in zip(delays, [0, 1000, 2000, 4000, 8000, 8000, 8000], strict=True):
        assert most - 500 <= delay <= most or delay == most == 0


async def test_a_failure_that_is_not_the_attempts_uses_up_none(rooms: RoomStore) -> None:
    await open_room(rooms)
    for attempt in range(1, 4):
        await fail_and_let_the_delay_pass(rooms, attempt)
    await run(rooms, 4)
    assert await requeue(rooms, 4, max_attempts=1) is RequeueResult.DEAD
    assert (await get(rooms)).public_reason == PublicReason.UNAVAILABLE


async def test_an_attempt_that_worked_for_a_while_is_followed_at_once_and_ends_the_count(rooms: RoomStore) -> None:
    await open_room(rooms)
    await fail_and_let_the_delay_pass(rooms, 1)
    await run(rooms, 2)
    await rooms.redis.hincrby(keys.room("RM_1"), "at:claimed", -6000)
    assert await requeue(rooms, 2) is RequeueResult.REQUEUED
    assert await delay_ms(rooms) == 0
    assert await fail_and_let_the_delay_pass(rooms, 3) == 0


async def test_a_call_that_is_handed_over_or_whose_lease_expires_is_not_delayed(rooms: RoomStore) -> None:
    await open_room(rooms)
    await fail_and_let_the_delay_pass(rooms, 1)
    await run(rooms, 2)
    assert await requeue(rooms, 2, cause=LossCause.HANDED_OVER) is RequeueResult.REQUEUED
    assert await delay_ms(rooms) == 0


async def test_a_delayed_room_whose_caller_gives_up_is_never_queued(rooms: RoomStore) -> None:
    await open_room(rooms)
    await fail_and_let_the_delay_pass(rooms, 1)
    await run(rooms, 2)
    await requeue(rooms, 2)
    assert await delay_ms(rooms) > 0
    await rooms.close("RM_1")
    assert await rooms.redis.zcard(keys.DELAYED) == 0
    assert await queued_messages(rooms) == []
    # It had calls, and so it has a record.
    assert (await get(rooms)).state is State.ENDED


async def test_the_message_of_a_delayed_room_is_not_taken_for_lost(rooms: RoomStore) -> None:
    await open_room(rooms)
    await fail_and_let_the_delay_pass(rooms, 1)
    await run(rooms, 2)
    await requeue(rooms, 2)
    await asyncio.sleep(0.01)
    assert await rooms.requeue_lost_messages(0, 10) == []
    assert await queued_messages(rooms) == []
    assert not isinstance(await claim(rooms, 3), str)
    assert await rooms.redis.zcard(keys.DELAYED) == 0


async def test_a_delayed_room_that_is_missing_among_the_delayed_ones_is_queued_all_the_same(rooms: RoomStore) -> None:
    await open_room(rooms)
    await fail_and_let_the_delay_pass(rooms, 1)
    await run(rooms, 2)
    await requeue(rooms, 2)
    await rooms.redis.delete(keys.DELAYED)
    await rooms.redis.hset(keys.room("RM_1"), "not_before", 1000)
    assert await rooms.requeue_lost_messages(0, 10) == ["RM_1"]
    assert await queued_messages(rooms) == [message(3).decode()]
    assert await rooms.requeue_lost_messages(0, 10) == []
