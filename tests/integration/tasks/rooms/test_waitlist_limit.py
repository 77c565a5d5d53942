"""The limit of a tenant's waitlist: a room over it is refused, and leaves next to nothing."""

from __future__ import annotations

import pytest

from tasks.rooms import Limits, OpenResult, PublicReason, Room, RoomStore, State, keys
from tests.integration.tasks.rooms.calls import get, queued_messages
from tests.support.rooms import open_some_room

ONE_CALL = Limits(tenant=1, waiting=2)
LATER_MS = 10**15


async def open_of(
    rooms: RoomStore,
    sid: str,
    tenant: str = "acme",
    *,
    attempt: int = 1,
    limits: Limits = ONE_CALL,
    ended_before_ms: int | None = None,
) -> OpenResult:
    return await open_some_room(
        rooms, sid, name=f"call-{sid}", tenant=tenant, attempt=attempt, limits=limits, ended_before_ms=ended_before_ms
    )


async def test_a_room_over_the_limit_is_refused_and_its_callers_are_to_read_that_their_tenant_is_busy(
    rooms: RoomStore,
) -> None:
    assert [await open_of(rooms, sid) for sid in ("1", "2", "3")] == [OpenResult.QUEUED, *[OpenResult.WAITING] * 2]
    assert await open_of(rooms, "4") is OpenResult.BUSY
    room = await get(rooms, "4")
    assert (room.state, room.public_reason, room.name) == (State.DEAD, PublicReason.BUSY, "call-4")
    assert list(await rooms.waitlist.to_notify(10)) == ["4"]
    assert 0 < await rooms.redis.pttl(keys.room("4")) <= keys.REFUSED_ROOM_MS
    assert await rooms.list_dead_letters() == []
    assert [room.sid for room in await rooms.list_open()] == ["1", "2", "3"]
    for name in (keys.WAITLIST, keys.UNANSWERED, keys.ELIGIBLE, keys.PERMITS):
        assert not [member for member in await rooms.redis.zrange(name, 0, -1) if str(member).endswith("\x004")]
    # Another webhook of it changes nothing, and whoever made it is told, although the webhook came first.
    assert await open_of(rooms, "4") is OpenResult.BUSY
    assert list(await rooms.waitlist.to_notify(10)) == ["4"]


async def test_another_tenant_is_not_refused_and_the_rooms_that_wait_enter_in_turn(rooms: RoomStore) -> None:
    for sid in ("1", "2", "3", "4"):
        await open_of(rooms, sid)
    assert await open_of(rooms, "5", "bolt") is OpenResult.QUEUED
    await rooms.close("1")
    assert (await get(rooms, "2")).state is State.QUEUED
    assert await open_of(rooms, "6") is OpenResult.WAITING
    assert await open_of(rooms, "7") is OpenResult.BUSY
    assert await queued_messages(rooms) == ["5 1", "2 1"]


async def test_without_a_waitlist_a_room_is_answered_or_refused(rooms: RoomStore) -> None:
    limits = Limits(tenant=1, waiting=0)
    assert await open_of(rooms, "1", limits=limits) is OpenResult.QUEUED
    assert await open_of(rooms, "2", limits=limits) is OpenResult.BUSY
    await rooms.close("1")
    assert await open_of(rooms, "3", limits=limits) is OpenResult.QUEUED


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_caller_who_tries_again_in_a_refused_room_is_answered_when_there_is_a_permit(
    rooms: RoomStore, *, forgotten: bool
) -> None:
    limits = Limits(tenant=1, waiting=0)
    await open_of(rooms, "1", limits=limits)
    await open_of(rooms, "2", limits=limits)
    if forgotten:
        await rooms.redis.delete(keys.room("2"))
    await rooms.close("1")
    assert await open_of(rooms, "2", limits=limits, ended_before_ms=LATER_MS) is OpenResult.QUEUED
    assert isinstance(await rooms.claim("2", 1, claimant="c", worker="w", pid=1), Room)


async def test_a_call_that_is_to_be_answered_again_keeps_its_attempts_if_it_is_refused(rooms: RoomStore) -> None:
    limits = Limits(tenant=1, waiting=0)
    await open_of(rooms, "1", limits=limits)
    await rooms.claim("1", 1, claimant="c", worker="w", pid=1)
    await rooms.end("1", 1, outcome="room empty")
    await open_of(rooms, "2", limits=limits)
    assert await open_of(rooms, "1", attempt=2, limits=limits, ended_before_ms=LATER_MS) is OpenResult.BUSY
    assert (await get(rooms, "1")).attempt == 1
    await rooms.close("2")
    assert await open_of(rooms, "1", attempt=2, limits=limits, ended_before_ms=LATER_MS) is OpenResult.QUEUED


async def test_rooms_opened_in_a_loop_take_no_more_memory_than_the_limits_allow(rooms: RoomStore) -> None:
    opened = [await open_of(rooms, str(number), limits=Limits(tenant=1, waiting=10)) for number in range(1500)]
    assert opened.count(OpenResult.WAITING) == 10
    before = (await rooms.redis.info("memory"))["used_memory"]
    for number in range(1500, 3000):
        assert await open_of(rooms, str(number), limits=Limits(tenant=1, waiting=10)) is OpenResult.BUSY
    # The callers of a thousand read that they are refused. The others are looked at again later.
    assert await rooms.redis.zcard(keys.NOTIFY) == 1000
    assert await rooms.redis.dbsize() < 1030
    assert (await rooms.redis.info("memory"))["used_memory"] - before < 100_000
    assert await rooms.get("2999") is None
    assert await open_of(rooms, "of another", "bolt") is OpenResult.QUEUED
