"""Rooms that wait for a permit: their order, their limits, and how long they wait."""

from __future__ import annotations

import asyncio

import pytest

from tasks.rooms import (
    ClaimRefusal,
    CloseResult,
    Limits,
    OpenResult,
    RepairCursor,
    RequeueResult,
    RoomStore,
    State,
    keys,
)
from tests.integration.tasks.rooms.calls import QUEUE, queued_messages
from tests.support.rooms import open_some_room

ONE = Limits(tenant=1)
BEGIN = RepairCursor()


async def open_of(
    rooms: RoomStore, sid: str, tenant: str = "acme", *, limits: Limits = ONE, attempt: int = 1, tier: str = "premium"
) -> OpenResult:
    return await open_some_room(
        rooms,
        sid,
        tenant=tenant,
        tier=tier,
        queue=QUEUE,
        received_at_ms=2000,
        attempt=attempt,
        replay=attempt > 1,
        limits=limits,
    )


async def claim_of(rooms: RoomStore, sid: str, attempt: int = 1) -> None:
    assert not isinstance(await rooms.claim(sid, attempt, claimant="a", worker="w", pid=1), ClaimRefusal)


async def states(rooms: RoomStore, *sids: str) -> list[State | None]:
    found = [await rooms.get(sid) for sid in sids]
    return [None if room is None else room.state for room in found]


async def test_a_room_over_the_limit_waits_in_no_queue_and_its_webhook_changes_nothing(rooms: RoomStore) -> None:
    assert await open_of(rooms, "1") is OpenResult.QUEUED
    assert await open_of(rooms, "2") is OpenResult.WAITING
    assert await open_of(rooms, "2") is OpenResult.KNOWN
    assert await states(rooms, "1", "2") == [State.QUEUED, State.WAITING]
    assert await queued_messages(rooms) == ["1 1"]
    room = await rooms.get("2")
    assert room is not None
    assert list(room.steps_ms) == ["received", "waiting"]


async def test_the_room_that_came_first_enters_when_a_call_ends_and_not_before(rooms: RoomStore) -> None:
    for sid in ("1", "2", "3"):
        await open_of(rooms, sid)
    await claim_of(rooms, "1")
    assert await states(rooms, "2", "3") == [State.WAITING, State.WAITING]
    assert await rooms.end("1", 1, outcome="o")
    assert await states(rooms, "2", "3") == [State.QUEUED, State.WAITING]


async def test_a_lost_call_keeps_its_permits_and_a_dead_one_releases_them(rooms: RoomStore) -> None:
    for sid in ("1", "2"):
        await open_of(rooms, sid)
    await claim_of(rooms, "1")
    asked = {"queue": QUEUE, "reason": "it crashed"}
    assert await rooms.requeue("1", 1, message=b"1 2", max_attempts=2, **asked) is RequeueResult.REQUEUED  # type: ignore[arg-type]
    assert await states(rooms, "1", "2") == [State.QUEUED, State.WAITING]
    await claim_of(rooms, "1", 2)
    assert await rooms.requeue("1", 2, message=b"1 3", max_attempts=2, **asked) is RequeueResult.DEAD  # type: ignore[arg-type]
    assert await states(rooms, "1", "2") == [State.DEAD, State.QUEUED]


async def test_a_room_that_finishes_while_it_waits_is_cancelled_and_never_enters(rooms: RoomStore) -> None:
    for sid in ("1", "2", "3"):
        await open_of(rooms, sid)
    assert await rooms.close("2") is CloseResult.CANCELLED
    assert await rooms.close("1") is CloseResult.CANCELLED
    assert await states(rooms, "1", "2", "3") == [State.CANCELLED, State.CANCELLED, State.QUEUED]


async def test_a_replayed_room_waits_behind_the_rooms_that_wait_already(rooms: RoomStore) -> None:
    await open_of(rooms, "1")
    await claim_of(rooms, "1")
    await open_of(rooms, "2")
    await open_of(rooms, "3")
    assert await rooms.dead_letter("1", attempt=1, reason="r")
    assert await open_of(rooms, "1", attempt=2) is OpenResult.WAITING
    await claim_of(rooms, "2")
    await rooms.end("2", 1, outcome="o")
    assert await states(rooms, "3", "1") == [State.QUEUED, State.WAITING]


async def test_a_claim_of_a_room_that_waits_is_refused(rooms: RoomStore) -> None:
    await open_of(rooms, "1")
    await open_of(rooms, "2")
    assert await rooms.claim("2", 1, claimant="a", worker="w", pid=1) is ClaimRefusal.WAITING


async def test_the_tenants_of_a_full_tier_are_served_in_turn(rooms: RoomStore) -> None:
    limits = Limits(tier=1)
    await open_of(rooms, "first", "acme", limits=limits)
    for number in range(3):
        await open_of(rooms, f"acme{number}", "acme", limits=limits)
    for tenant in ("bolt", "coral"):
        await open_of(rooms, tenant, tenant, limits=limits)
    entered, sid = [], "first"
    while True:
        await claim_of(rooms, sid)
        await rooms.end(sid, 1, outcome="o")
        queued = [room.sid for room in await rooms.list_open() if room.state is State.QUEUED]
        if not queued:
            break
        [sid] = queued
        entered.append(sid)
    assert entered == ["bolt", "coral", "acme0", "acme1", "acme2"]


async def test_a_tenant_with_a_hundred_rooms_is_one_room_ahead_of_another_in_the_queue(rooms: RoomStore) -> None:
    limits = Limits(unclaimed=1)
    for number in range(100):
        await open_of(rooms, f"acme{number:02}", "acme", limits=limits)
    await open_of(rooms, "bolt", "bolt", limits=limits)
    assert await queued_messages(rooms) == ["acme00 1", "bolt 1"]
    await rooms.redis.rpop(QUEUE)
    await claim_of(rooms, "acme00")
    assert await queued_messages(rooms) == ["bolt 1", "acme01 1"]


@pytest.mark.parametrize("limits", [({"acme": 2}, {"premium": 1}), ({"acme": 1}, {"premium": None})])
async def test_a_limit_that_was_not_raised_lets_no_room_in(
    rooms: RoomStore, limits: tuple[dict[str, int | None], dict[str, int | None]]
) -> None:
    await open_of(rooms, "1", limits=Limits(tenant=1, tier=1))
    await open_of(rooms, "2", limits=Limits(tenant=1, tier=1))
    assert await rooms.waitlist.set_limits(*limits, None) == 0
    assert await rooms.waitlist.set_limits({"acme": None}, {"premium": 2}, None) == 1


async def test_the_permits_of_a_forgotten_room_go_to_the_next_one(rooms: RoomStore) -> None:
    await open_of(rooms, "1")
    await open_of(rooms, "2")
    await rooms.redis.delete(keys.room("1"))
    repair = await rooms.waitlist.repair(BEGIN, 100)
    assert repair.repaired == 3
    assert await states(rooms, "2") == [State.QUEUED]
    assert (await rooms.waitlist.repair(BEGIN, 100)).repaired == 0
    await rooms.close("1")


async def test_rooms_of_a_version_without_permits_get_them(rooms: RoomStore) -> None:
    await open_of(rooms, "1")
    await rooms.redis.hdel(keys.room("1"), "arrived")
    await rooms.redis.delete(keys.PERMITS, keys.UNANSWERED, keys.ADMISSION)
    assert (await rooms.waitlist.repair(BEGIN, 100)).repaired == 3
    assert await open_of(rooms, "2") is OpenResult.WAITING


async def test_rooms_that_waited_too_long_get_dead_letters_and_do_not_let_each_other_in(rooms: RoomStore) -> None:
    for sid in ("1", "2", "3"):
        await open_of(rooms, sid)
    assert await rooms.waitlist.expire_waits("premium", 3_600_000, reason="r", limit=10) == []
    assert await rooms.waitlist.expire_waits("free", -1000, reason="r", limit=10) == []
    assert await rooms.waitlist.expire_waits("premium", -1000, reason="too long", limit=2) == ["1", "2"]
    assert await states(rooms, "1", "2", "3") == [State.DEAD, State.DEAD, State.QUEUED]
    assert await queued_messages(rooms) == ["3 1"]
    assert [(letter.sid, letter.reason) for letter in await rooms.list_dead_letters()] == [
        ("2", "too long"),
        ("1", "too long"),
    ]
    assert list(await rooms.waitlist.to_notify(10)) == ["1", "2"]


async def test_callers_notified_of_their_wait_are_to_be_notified_when_the_room_is_claimed(rooms: RoomStore) -> None:
    for sid in ("1", "2"):
        await open_of(rooms, sid)
    assert await rooms.waitlist.mark_notified(["1", "nobody"]) == ["1"]
    await claim_of(rooms, "1")
    since_ms = (await rooms.waitlist.to_notify(10))["1"]
    assert await rooms.waitlist.notified("1", since_ms)
    assert await rooms.waitlist.to_notify(10) == {}


async def test_what_happens_while_callers_are_notified_is_not_forgotten(rooms: RoomStore) -> None:
    await open_of(rooms, "1")
    await rooms.waitlist.mark_notified(["1"])
    await claim_of(rooms, "1")
    of_the_claim = (await rooms.waitlist.to_notify(10))["1"]
    await asyncio.sleep(0.002)
    await rooms.dead_letter("1", attempt=1, reason="no such provider")
    assert not await rooms.waitlist.notified("1", of_the_claim)
    of_the_end = (await rooms.waitlist.to_notify(10))["1"]
    assert of_the_end > of_the_claim
    assert await rooms.waitlist.notified("1", of_the_end)
