"""The queue is what the rooms say: a room that leaves the state `queued` takes its message with it, and each copy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tasks.rooms import RoomStore, State, keys
from tests.integration.tasks.rooms.calls import claim, message, open_room, queued_messages, requeue, run, state, take

LONG_AGO_MS = 1000

Leave = Callable[[RoomStore], Awaitable[object]]


async def finish(rooms: RoomStore) -> None:
    await rooms.close("RM_1")


async def wait_too_long(rooms: RoomStore) -> None:
    assert await rooms.waitlist.expire_waits("premium", -1000, reason="nobody came", limit=1) == ["RM_1"]


leaves = pytest.mark.parametrize("leave", [finish, wait_too_long])


async def message_thought_lost(rooms: RoomStore) -> None:
    """Let the sweep find that the message is in no queue, because a slow worker still has it."""
    await rooms.redis.zadd(keys.QUEUED, {"RM_1": LONG_AGO_MS})
    assert await rooms.requeue_lost_messages(5000, 50) == ["RM_1"]


@leaves
async def test_a_queued_room_that_is_over_has_no_message_and_the_others_stay_in_order(
    rooms: RoomStore, leave: Leave
) -> None:
    await open_room(rooms)
    for sid in ("RM_0", "RM_2", "RM_3"):
        await open_room(rooms, sid, content=sid.encode())
    await leave(rooms)
    assert not (await state(rooms)).is_open
    assert await queued_messages(rooms) == ["RM_0", "RM_2", "RM_3"]


@leaves
async def test_the_message_of_a_later_attempt_leaves_too(rooms: RoomStore, leave: Leave) -> None:
    await open_room(rooms)
    await run(rooms)
    await requeue(rooms)
    await open_room(rooms, "RM_2", content=b"RM_2")
    if leave is wait_too_long:
        # It has waited for this attempt for less than the other room for its first.
        await rooms.close("RM_2")
    await leave(rooms)
    assert await queued_messages(rooms) == ([] if leave is wait_too_long else ["RM_2"])


@leaves
async def test_a_copy_of_a_message_that_a_worker_still_has_leaves_with_the_room(rooms: RoomStore, leave: Leave) -> None:
    await open_room(rooms)
    await take(rooms)
    await message_thought_lost(rooms)
    await leave(rooms)
    assert await queued_messages(rooms) == []
    assert not await rooms.return_message("RM_1", 1)
    assert await queued_messages(rooms) == []


async def test_the_claim_of_a_message_that_was_thought_lost_removes_the_copy(rooms: RoomStore) -> None:
    await open_room(rooms)
    await take(rooms)
    await message_thought_lost(rooms)
    assert await queued_messages(rooms) == [message(1).decode()]
    await claim(rooms)
    assert await state(rooms) is State.RUNNING
    assert await queued_messages(rooms) == []


async def test_a_message_that_was_thought_lost_and_is_returned_is_in_its_queue_once_and_in_front(
    rooms: RoomStore,
) -> None:
    await open_room(rooms)
    await take(rooms)
    await message_thought_lost(rooms)
    await open_room(rooms, "RM_2", content=b"RM_2")
    assert await rooms.return_message("RM_1", 1)
    assert await queued_messages(rooms) == [message(1).decode(), "RM_2"]


async def test_a_message_is_returned_once_if_the_reply_was_lost_and_the_worker_asks_again(rooms: RoomStore) -> None:
    await open_room(rooms)
    await take(rooms)
    assert await rooms.return_message("RM_1", 1)
    assert await rooms.return_message("RM_1", 1)
    assert await queued_messages(rooms) == [message(1).decode()]


async def test_a_call_that_a_worker_starts_after_a_return_of_which_it_did_not_hear_has_no_message(
    rooms: RoomStore,
) -> None:
    await open_room(rooms)
    await take(rooms)
    assert await rooms.return_message("RM_1", 1)
    await claim(rooms)
    assert await queued_messages(rooms) == []
