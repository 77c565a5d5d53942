"""What was said is kept for the attempt that may have to go on, and no longer than the call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tasks.rooms import Losing, Lost, RoomStore, keys
from tasks.rooms.store import CONVERSATION_MS
from tests.integration.tasks.rooms.calls import SID, die, end, lose, open_room, run

SEALED = b"what was said, encrypted"


@pytest.fixture
async def talking(rooms: RoomStore) -> RoomStore:
    """The rooms, with a call whose conversation is kept."""
    await open_room(rooms)
    await run(rooms)
    assert await rooms.keep_conversation(SID, 1, SEALED)
    return rooms


async def test_the_last_one_counts_and_does_not_stay_for_ever(talking: RoomStore) -> None:
    assert await talking.conversation(SID) == SEALED
    assert await talking.keep_conversation(SID, 1, b"and more")
    assert await talking.conversation(SID) == b"and more"
    assert 0 < await talking.redis.pttl(keys.conversation(SID)) <= CONVERSATION_MS


async def test_a_room_in_which_nothing_was_said_has_none(rooms: RoomStore) -> None:
    assert await rooms.conversation(SID) is None


@pytest.mark.parametrize("how", [Losing.FAILED, Losing.HANDED_OVER])
async def test_the_next_attempt_finds_it(talking: RoomStore, how: Losing) -> None:
    assert await lose(talking, how=how) is Lost.REQUEUED
    await run(talking, 2)
    assert await talking.conversation(SID) == SEALED


async def test_a_stale_attempt_does_not_write_over_it(talking: RoomStore) -> None:
    await lose(talking)
    assert not await talking.keep_conversation(SID, 1, b"of one that was stopped, and came back")
    await run(talking, 2)
    assert not await talking.keep_conversation(SID, 1, b"of one that was stopped, and came back")
    assert await talking.conversation(SID) == SEALED
    assert await talking.keep_conversation(SID, 2, b"and more")


async def test_none_is_kept_for_a_room_that_waits_or_is_over(rooms: RoomStore) -> None:
    assert not await rooms.keep_conversation(SID, 1, SEALED)
    await open_room(rooms)
    assert not await rooms.keep_conversation(SID, 1, SEALED)
    await run(rooms)
    await end(rooms)
    assert not await rooms.keep_conversation(SID, 1, SEALED)
    assert await rooms.conversation(SID) is None


async def last_attempt_lost(rooms: RoomStore) -> None:
    assert await lose(rooms, max_attempts=1) is Lost.DEAD


async def lost_after_its_room_has_finished(rooms: RoomStore) -> None:
    await rooms.close(SID)
    # The call may still have to say something.
    assert await rooms.conversation(SID) == SEALED
    assert await lose(rooms) is Lost.CLOSED


async def closed_while_it_waits(rooms: RoomStore) -> None:
    await lose(rooms)
    await rooms.close(SID)


@pytest.mark.parametrize("over", [end, die, last_attempt_lost, lost_after_its_room_has_finished, closed_while_it_waits])
async def test_it_goes_with_the_call(talking: RoomStore, over: Callable[[RoomStore], Awaitable[object]]) -> None:
    await over(talking)
    assert await talking.redis.exists(keys.conversation(SID)) == 0
