"""Opening a room that is over again: its caller has come back, or an operator replays its dead letter."""

from __future__ import annotations

import asyncio

import pytest

from tasks.rooms import (
    ClaimRefusal,
    CloseResult,
    EndedBy,
    LossCause,
    OpenResult,
    RenewResult,
    RequeueResult,
    Room,
    RoomStore,
    State,
)
from tests.integration.tasks.rooms.calls import (
    claim,
    dead_letter,
    end,
    get,
    message,
    open_room,
    queued_messages,
    record_steps,
    requeue,
    run,
    state,
)


@pytest.fixture
async def ended_ms(rooms: RoomStore) -> int:
    """When the room's first call has ended, unix ms."""
    await open_room(rooms)
    await run(rooms)
    return await end(rooms)


async def test_a_caller_who_joined_after_the_end_is_answered_by_the_next_attempt(
    rooms: RoomStore, ended_ms: int
) -> None:
    assert await open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1) is OpenResult.QUEUED
    room = await get(rooms)
    assert (room.state, room.attempt, room.reason, room.handed_over) == (State.QUEUED, 2, "", False)
    assert await queued_messages(rooms) == [message(2).decode()]
    assert isinstance(await claim(rooms, 2), Room)


@pytest.mark.parametrize("later_ms", [0, -1, -60_000])
async def test_a_caller_who_joined_before_the_end_has_been_answered(
    rooms: RoomStore, ended_ms: int, later_ms: int
) -> None:
    assert await open_room(rooms, attempt=2, ended_before_ms=ended_ms + later_ms) is OpenResult.KNOWN
    assert await state(rooms) is State.ENDED
    assert await queued_messages(rooms) == []


@pytest.mark.parametrize("ended_by", [EndedBy.AGENT, EndedBy.LIMIT])
async def test_a_room_that_was_ended_by_its_agent_or_a_limit_is_not_opened_again(
    rooms: RoomStore, ended_by: EndedBy
) -> None:
    await open_room(rooms)
    await run(rooms)
    assert await rooms.end("RM_1", 1, outcome="o", ended_by=ended_by)
    assert await open_room(rooms, attempt=2, ended_before_ms=1 << 50) is OpenResult.KNOWN
    assert (await get(rooms)).ended_by == ended_by


async def test_a_room_that_only_started_is_not_opened_again(rooms: RoomStore, ended_ms: int) -> None:
    assert await open_room(rooms, attempt=2) is OpenResult.KNOWN
    assert await open_room(rooms, attempt=2, replay=True) is OpenResult.KNOWN
    assert await state(rooms) is State.ENDED


async def test_a_room_that_has_finished_is_never_opened_again(rooms: RoomStore, ended_ms: int) -> None:
    await rooms.close("RM_2")
    assert await open_room(rooms, "RM_2", attempt=1, replay=True, ended_before_ms=ended_ms + 60_000) is OpenResult.KNOWN
    assert await state(rooms, "RM_2") is State.CANCELLED


async def test_an_open_room_is_not_opened_again(rooms: RoomStore) -> None:
    await open_room(rooms)
    far_ms = 1 << 50
    assert await open_room(rooms, attempt=2, replay=True, ended_before_ms=far_ms) is OpenResult.KNOWN
    await run(rooms)
    assert await open_room(rooms, attempt=2, replay=True, ended_before_ms=far_ms) is OpenResult.KNOWN
    assert (await get(rooms)).attempt == 1
    assert await queued_messages(rooms) == []


async def test_a_dead_room_is_opened_again_by_a_replay_alone(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    await dead_letter(rooms)
    ended_ms = (await get(rooms)).steps_ms["ended"]
    assert await open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1) is OpenResult.KNOWN
    assert await open_room(rooms, attempt=2, replay=True) is OpenResult.QUEUED
    assert await queued_messages(rooms) == [message(2).decode()]


async def test_a_dead_room_that_was_never_opened_begins_with_its_first_attempt(rooms: RoomStore) -> None:
    await rooms.dead_letter("RM_1", attempt=None, name="n", reason="no tenant")
    assert await open_room(rooms, attempt=2, replay=True) is OpenResult.STALE
    assert await open_room(rooms, attempt=1, replay=True) is OpenResult.QUEUED
    await run(rooms)


@pytest.mark.parametrize("attempt", [1, 3])
async def test_an_opening_for_any_but_the_next_attempt_changes_nothing(
    rooms: RoomStore, ended_ms: int, attempt: int
) -> None:
    before = await get(rooms)
    assert await open_room(rooms, attempt=attempt, ended_before_ms=ended_ms + 1) is OpenResult.STALE
    assert await get(rooms) == before
    assert await queued_messages(rooms) == []
    assert await rooms.opened_ms() == {}


async def test_a_new_room_begins_with_its_first_attempt(rooms: RoomStore) -> None:
    assert await open_room(rooms, attempt=2) is OpenResult.STALE
    assert await rooms.get("RM_1") is None


async def test_fifty_callers_who_come_back_at_once_make_one_message(rooms: RoomStore, ended_ms: int) -> None:
    results = await asyncio.gather(*(open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1) for _ in range(50)))
    assert (results.count(OpenResult.QUEUED), results.count(OpenResult.KNOWN)) == (1, 49)
    assert len(await queued_messages(rooms)) == 1


async def test_late_writes_of_the_call_before_are_stale(rooms: RoomStore, ended_ms: int) -> None:
    await open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1)
    await run(rooms, 2)
    before = await get(rooms)
    assert await claim(rooms, 1, claimant="of 1") is ClaimRefusal.STALE
    assert await rooms.renew("RM_1", 1) is RenewResult.LOST
    assert not await rooms.end("RM_1", 1, outcome="too late")
    assert not await record_steps(rooms, "RM_1", 1, {"joined": 1})
    assert await requeue(rooms, 1) is RequeueResult.STALE
    assert await get(rooms) == before


async def test_each_call_of_a_room_leaves_a_record(rooms: RoomStore, ended_ms: int) -> None:
    await open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1)
    await run(rooms, 2)
    await end(rooms, 2)
    assert [record.attempt for record in await rooms.list_call_records()] == [2, 1]


async def test_a_room_that_was_opened_again_has_all_its_attempts_before_it(rooms: RoomStore, ended_ms: int) -> None:
    await open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1)
    for attempt in (2, 3):
        await run(rooms, attempt)
        assert await requeue(rooms, attempt, max_attempts=3) is RequeueResult.REQUEUED
    await run(rooms, 4)
    assert await requeue(rooms, 4, max_attempts=3) is RequeueResult.DEAD


async def test_handing_a_call_over_uses_up_no_attempt(rooms: RoomStore) -> None:
    await open_room(rooms)
    for attempt in (1, 2, 3):
        await run(rooms, attempt)
        assert await requeue(rooms, attempt, max_attempts=1, cause=LossCause.HANDED_OVER) is RequeueResult.REQUEUED
        assert (await get(rooms)).handed_over
    await run(rooms, 4)
    assert await requeue(rooms, 4, max_attempts=1) is RequeueResult.DEAD


async def test_failed_attempts_count_across_a_hand_over(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms, 1)
    assert await requeue(rooms, 1, max_attempts=2) is RequeueResult.REQUEUED
    await run(rooms, 2)
    assert await requeue(rooms, 2, max_attempts=2, cause=LossCause.HANDED_OVER) is RequeueResult.REQUEUED
    await run(rooms, 3)
    assert await requeue(rooms, 3, max_attempts=2) is RequeueResult.DEAD


async def test_an_attempt_that_follows_a_failed_one_was_not_handed_over(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms, 1)
    await requeue(rooms, 1, cause=LossCause.HANDED_OVER)
    await run(rooms, 2)
    await requeue(rooms, 2)
    assert not (await get(rooms)).handed_over


async def test_a_room_that_was_opened_again_can_be_closed_before_its_next_call(rooms: RoomStore, ended_ms: int) -> None:
    await open_room(rooms, attempt=2, ended_before_ms=ended_ms + 1)
    assert await rooms.close("RM_1") is CloseResult.CANCELLED
    assert await claim(rooms, 2) is ClaimRefusal.OVER


async def test_a_room_that_finishes_while_it_waits_for_its_next_attempt_has_its_record(rooms: RoomStore) -> None:
    await open_room(rooms)
    await run(rooms)
    await requeue(rooms)
    assert await rooms.close("RM_1") is CloseResult.CANCELLED
    assert await state(rooms) is State.ENDED
    assert [record.outcome for record in await rooms.list_call_records()] == ["room finished"]
    assert await queued_messages(rooms) == []
