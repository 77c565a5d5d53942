"""A room that is over is opened again when its caller has come back, or when an operator replays its dead letter."""

from __future__ import annotations

import asyncio

import pytest

from tasks.rooms import Closed, Found, Lease, Losing, Lost, Refusal, Room, RoomStore, State
from tests.integration.tasks.rooms.calls import claim, die, end, get, lose, message, open_room, run, state, waiting


@pytest.fixture
async def ended_ms(rooms: RoomStore) -> int:
    """The room's first call has ended."""
    await open_room(rooms)
    await run(rooms)
    return await end(rooms)


async def test_a_caller_who_joined_after_the_end_is_answered_by_the_next_attempt(
    rooms: RoomStore, ended_ms: int
) -> None:
    assert await open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1) is Found.OPENED
    room = await get(rooms)
    assert (room.state, room.attempt, room.reason, room.handed_over) == (State.QUEUED, 2, "", False)
    assert await waiting(rooms) == [message(2).decode()]
    assert isinstance(await claim(rooms, 2), Room)


@pytest.mark.parametrize("later_ms", [0, -1, -60_000])
async def test_a_caller_who_joined_before_the_end_has_been_answered(
    rooms: RoomStore, ended_ms: int, later_ms: int
) -> None:
    assert await open_room(rooms, attempt=2, ended_before_ms=ended_ms + later_ms) is Found.KNOWN
    assert await state(rooms) is State.ENDED
    assert await waiting(rooms) == []


async def test_a_room_that_only_started_is_not_opened_again(rooms: RoomStore, ended_ms: int) -> None:
    assert await open_room(rooms, attempt=2) is Found.KNOWN
    assert await open_room(rooms, attempt=2, replay=True) is Found.KNOWN
    assert await state(rooms) is State.ENDED


async def test_a_room_that_has_finished_is_never_opened_again(rooms: RoomStore, ended_ms: int) -> None:
    await rooms.close("RM_2")
    assert await open_room(rooms, "RM_2", attempt=1, replay=True, ended_before_ms=ended_ms + 60_000) is Found.KNOWN
    assert await state(rooms, "RM_2") is State.CANCELLED


async def test_an_open_room_is_known_whoever_comes(rooms: RoomStore) -> None:
    await open_room(rooms)
    far_ms = 1 << 50
    assert await open_room(rooms, attempt=2, replay=True, ended_before_ms=far_ms) is Found.KNOWN
    await run(rooms)
    assert await open_room(rooms, attempt=2, replay=True, ended_before_ms=far_ms) is Found.KNOWN
    assert (await get(rooms)).attempt == 1
    assert await waiting(rooms) == []


async def test_a_dead_room_is_opened_again_by_a_replay_alone(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    await die(rooms)
    ended_ms = (await get(rooms)).steps_ms["ended"]
    assert await open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1) is Found.KNOWN
    assert await open_room(rooms, attempt=2, replay=True) is Found.OPENED
    assert await waiting(rooms) == [message(2).decode()]


async def test_a_room_that_died_before_it_was_opened_begins_with_its_first_attempt(rooms: RoomStore) -> None:
    await rooms.bury("RM_1", attempt=None, name="n", reason="no tenant")
    assert await open_room(rooms, attempt=2, replay=True) is Found.AHEAD
    assert await open_room(rooms, attempt=1, replay=True) is Found.OPENED
    await run(rooms)


@pytest.mark.parametrize("attempt", [1, 3])
async def test_an_opening_for_any_but_the_next_attempt_changes_nothing(
    rooms: RoomStore, ended_ms: int, attempt: int
) -> None:
    before = await get(rooms)
    assert await open_room(rooms, attempt=attempt, ended_before_ms=ended_ms + 1) is Found.AHEAD
    assert await get(rooms) == before
    assert await waiting(rooms) == []
    assert await rooms.opened_ms() == {}


async def test_a_new_room_begins_with_its_first_attempt(rooms: RoomStore) -> None:
    assert await open_room(rooms, attempt=2) is Found.AHEAD
    assert await rooms.get("RM_1") is None


async def test_fifty_callers_who_come_back_at_once_make_one_task(rooms: RoomStore, ended_ms: int) -> None:
    found = await asyncio.gather(*(open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1) for _ in range(50)))
    assert (found.count(Found.OPENED), found.count(Found.KNOWN)) == (1, 49)
    assert len(await waiting(rooms)) == 1


async def test_what_the_call_before_writes_late_is_stale(rooms: RoomStore, ended_ms: int) -> None:
    await open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1)
    await run(rooms, 2)
    before = await get(rooms)
    assert await claim(rooms, 1, claimant="of 1") is Refusal.STALE
    assert await rooms.renew("RM_1", 1) is Lease.LOST
    assert not await rooms.end("RM_1", 1, outcome="too late", usage="[]")
    assert not await rooms.stamp("RM_1", 1, {"joined": 1})
    assert await lose(rooms, 1) is Lost.STALE
    assert await get(rooms) == before


async def test_each_of_its_calls_leaves_a_record(rooms: RoomStore, ended_ms: int) -> None:
    await open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1)
    await run(rooms, 2)
    await end(rooms, 2)
    assert [record.attempt for record in await rooms.call_records()] == [2, 1]


async def test_a_room_that_was_opened_again_has_all_its_attempts_before_it(rooms: RoomStore, ended_ms: int) -> None:
    await open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1)
    for attempt in (2, 3):
        await run(rooms, attempt)
        assert await lose(rooms, attempt, max_attempts=3) is Lost.REQUEUED
    await run(rooms, 4)
    assert await lose(rooms, 4, max_attempts=3) is Lost.DEAD


async def test_handing_a_call_over_uses_up_no_attempt(rooms: RoomStore) -> None:
    await open_room(rooms)
    for attempt in (1, 2, 3):
        await run(rooms, attempt)
        assert await lose(rooms, attempt, max_attempts=1, how=Losing.HANDED_OVER) is Lost.REQUEUED
        assert (await get(rooms)).handed_over
    await run(rooms, 4)
    assert await lose(rooms, 4, max_attempts=1) is Lost.DEAD


async def test_failed_attempts_count_over_a_handing_over_in_between(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms, 1)
    assert await lose(rooms, 1, max_attempts=2) is Lost.REQUEUED
    await run(rooms, 2)
    assert await lose(rooms, 2, max_attempts=2, how=Losing.HANDED_OVER) is Lost.REQUEUED
    await run(rooms, 3)
    assert await lose(rooms, 3, max_attempts=2) is Lost.DEAD


async def test_an_attempt_that_follows_a_failed_one_was_not_handed_over(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms, 1)
    await lose(rooms, 1, how=Losing.HANDED_OVER)
    await run(rooms, 2)
    await lose(rooms, 2)
    assert not (await get(rooms)).handed_over


async def test_a_room_that_was_opened_again_can_be_closed_before_its_next_call(rooms: RoomStore, ended_ms: int) -> None:
    await open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1)
    assert await rooms.close("RM_1") is Closed.CANCELLED
    assert await claim(rooms, 2) is Refusal.OVER
