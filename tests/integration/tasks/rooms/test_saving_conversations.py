"""Saving the conversation for an attempt that may have to go on, and no longer than the call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tasks.rooms import LossCause, RequeueResult, RoomStore, keys
from tasks.rooms.keys import CONVERSATION_MS
from tests.integration.tasks.rooms.calls import SID, dead_letter, end, open_room, requeue, run, save_conversation

ENCRYPTED = b"an encrypted conversation"


@pytest.fixture
async def talking(rooms: RoomStore) -> RoomStore:
    """A store with a running call whose conversation is saved."""
    await open_room(rooms)
    await run(rooms)
    assert await save_conversation(rooms, SID, 1, ENCRYPTED)
    return rooms


async def test_the_last_conversation_counts_and_has_a_ttl(talking: RoomStore) -> None:
    assert await talking.conversation(SID) == ENCRYPTED
    assert await save_conversation(talking, SID, 1, b"and more")
    assert await talking.conversation(SID) == b"and more"
    assert 0 < await talking.redis.pttl(keys.conversation(SID)) <= CONVERSATION_MS


async def test_a_room_without_a_saved_conversation_has_none(rooms: RoomStore) -> None:
    assert await rooms.conversation(SID) is None


@pytest.mark.parametrize("cause", [LossCause.FAILED, LossCause.HANDED_OVER])
async def test_the_next_attempt_reads_the_conversation(talking: RoomStore, cause: LossCause) -> None:
    assert await requeue(talking, cause=cause) is RequeueResult.REQUEUED
    await run(talking, 2)
    assert await talking.conversation(SID) == ENCRYPTED


async def test_a_stale_attempt_does_not_overwrite_the_conversation(talking: RoomStore) -> None:
    await requeue(talking)
    assert not await save_conversation(talking, SID, 1, b"of an attempt that was paused and came back")
    await run(talking, 2)
    assert not await save_conversation(talking, SID, 1, b"of an attempt that was paused and came back")
    assert await talking.conversation(SID) == ENCRYPTED
    assert await save_conversation(talking, SID, 2, b"and more")


async def test_no_conversation_is_saved_for_a_room_that_waits_or_is_over(rooms: RoomStore) -> None:
    assert not await save_conversation(rooms, SID, 1, ENCRYPTED)
    await open_room(rooms)
    assert not await save_conversation(rooms, SID, 1, ENCRYPTED)
    await run(rooms)
    await end(rooms)
    assert not await save_conversation(rooms, SID, 1, ENCRYPTED)
    assert await rooms.conversation(SID) is None


async def last_attempt_lost(rooms: RoomStore) -> None:
    assert await requeue(rooms, max_attempts=1) is RequeueResult.DEAD


async def lost_after_its_room_has_finished(rooms: RoomStore) -> None:
    await rooms.close(SID)
    # The call may still go on for a moment.
    assert await rooms.conversation(SID) == ENCRYPTED
    assert await requeue(rooms) is RequeueResult.CLOSED


async def closed_while_it_waits(rooms: RoomStore) -> None:
    await requeue(rooms)
    await rooms.close(SID)


@pytest.mark.parametrize(
    "over", [end, dead_letter, last_attempt_lost, lost_after_its_room_has_finished, closed_while_it_waits]
)
async def test_the_conversation_is_deleted_with_the_call(
    talking: RoomStore, over: Callable[[RoomStore], Awaitable[object]]
) -> None:
    await over(talking)
    assert await talking.redis.exists(keys.conversation(SID)) == 0
