"""Rooms that wait for a place: in which order, and for how long."""

from __future__ import annotations

import pytest

from tasks.rooms import Closed, Found, Healed, Limits, Lost, Refusal, RoomStore, State, keys
from tests.integration.tasks.rooms.calls import QUEUE, waiting

ONE = Limits(tenant=1)
BEGIN = Healed("0", "0", 0)


async def open_of(
    rooms: RoomStore, sid: str, tenant: str = "acme", *, limits: Limits = ONE, attempt: int = 1, tier: str = "premium"
) -> Found:
    return await rooms.open(
        sid=sid,
        name=f"call-{tenant}-{sid}",
        tenant=tenant,
        tier=tier,
        queue=QUEUE,
        message=f"{sid} {attempt}".encode(),
        started_at_ms=None,
        received_at_ms=2000,
        attempt=attempt,
        replay=attempt > 1,
        limits=limits,
    )


async def claim_of(rooms: RoomStore, sid: str, attempt: int = 1) -> None:
    assert not isinstance(await rooms.claim(sid, attempt, claimant="a", worker="w", pid=1), Refusal)


async def states(rooms: RoomStore, *sids: str) -> list[State | None]:
    found = [await rooms.get(sid) for sid in sids]
    return [None if room is None else room.state for room in found]


async def test_a_room_over_the_cap_waits_in_no_queue_and_its_webhook_changes_nothing(rooms: RoomStore) -> None:
    assert await open_of(rooms, "1") is Found.OPENED
    assert await open_of(rooms, "2") is Found.HELD
    assert await open_of(rooms, "2") is Found.KNOWN
    assert await states(rooms, "1", "2") == [State.QUEUED, State.WAITING]
    assert await waiting(rooms) == ["1 1"]
    room = await rooms.get("2")
    assert room is not None
    assert list(room.steps_ms) == ["received", "waiting"]


async def test_whoever_came_first_enters_when_a_call_ends_and_not_before(rooms: RoomStore) -> None:
    for sid in ("1", "2", "3"):
        await open_of(rooms, sid)
    await claim_of(rooms, "1")
    assert await states(rooms, "2", "3") == [State.WAITING, State.WAITING]
    assert await rooms.end("1", 1, outcome="o", usage="[]")
    assert await states(rooms, "2", "3") == [State.QUEUED, State.WAITING]


async def test_a_lost_call_keeps_its_place_and_a_dead_one_gives_it_back(rooms: RoomStore) -> None:
    for sid in ("1", "2"):
        await open_of(rooms, sid)
    await claim_of(rooms, "1")
    asked = {"queue": QUEUE, "reason": "it crashed"}
    assert await rooms.lose("1", 1, message=b"1 2", max_attempts=2, **asked) is Lost.REQUEUED  # type: ignore[arg-type]
    assert await states(rooms, "1", "2") == [State.QUEUED, State.WAITING]
    await claim_of(rooms, "1", 2)
    assert await rooms.lose("1", 2, message=b"1 3", max_attempts=2, **asked) is Lost.DEAD  # type: ignore[arg-type]
    assert await states(rooms, "1", "2") == [State.DEAD, State.QUEUED]


async def test_a_room_that_finishes_while_it_waits_is_cancelled_and_never_enters(rooms: RoomStore) -> None:
    for sid in ("1", "2", "3"):
        await open_of(rooms, sid)
    assert await rooms.close("2") is Closed.CANCELLED
    assert await rooms.close("1") is Closed.CANCELLED
    assert await states(rooms, "1", "2", "3") == [State.CANCELLED, State.CANCELLED, State.QUEUED]


async def test_a_room_that_is_replayed_takes_its_turn_behind_those_who_wait(rooms: RoomStore) -> None:
    await open_of(rooms, "1")
    await claim_of(rooms, "1")
    await open_of(rooms, "2")
    await open_of(rooms, "3")
    assert await rooms.bury("1", attempt=1, name="n", tenant="acme", tier="premium", reason="r")
    assert await open_of(rooms, "1", attempt=2) is Found.HELD
    await claim_of(rooms, "2")
    await rooms.end("2", 1, outcome="o", usage="[]")
    assert await states(rooms, "3", "1") == [State.QUEUED, State.WAITING]


async def test_a_claim_of_a_room_that_waits_is_refused(rooms: RoomStore) -> None:
    await open_of(rooms, "1")
    await open_of(rooms, "2")
    assert await rooms.claim("2", 1, claimant="a", worker="w", pid=1) is Refusal.WAITING


async def test_a_tier_that_is_full_lets_its_tenants_in_by_turns(rooms: RoomStore) -> None:
    limits = Limits(tier=1)
    await open_of(rooms, "first", "acme", limits=limits)
    for number in range(3):
        await open_of(rooms, f"acme{number}", "acme", limits=limits)
    for tenant in ("bolt", "coral"):
        await open_of(rooms, tenant, tenant, limits=limits)
    entered, sid = [], "first"
    while True:
        await claim_of(rooms, sid)
        await rooms.end(sid, 1, outcome="o", usage="[]")
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
    assert await waiting(rooms) == ["acme00 1", "bolt 1"]
    await rooms.redis.rpop(QUEUE)
    await claim_of(rooms, "acme00")
    assert await waiting(rooms) == ["bolt 1", "acme01 1"]


@pytest.mark.parametrize("limits", [({"acme": 2}, {"premium": 1}), ({"acme": 1}, {"premium": None})])
async def test_a_limit_that_was_not_raised_lets_nobody_in(
    rooms: RoomStore, limits: tuple[dict[str, int | None], dict[str, int | None]]
) -> None:
    await open_of(rooms, "1", limits=Limits(tenant=1, tier=1))
    await open_of(rooms, "2", limits=Limits(tenant=1, tier=1))
    assert await rooms.line.set_limits(*limits, None) == 0
    assert await rooms.line.set_limits({"acme": None}, {"premium": 2}, None) == 1


async def test_a_place_whose_room_redis_has_forgotten_goes_to_the_next(rooms: RoomStore) -> None:
    await open_of(rooms, "1")
    await open_of(rooms, "2")
    await rooms.redis.delete(keys.room("1"))
    healed = await rooms.line.heal(BEGIN, 100)
    assert healed.wrong == 3
    assert await states(rooms, "2") == [State.QUEUED]
    assert (await rooms.line.heal(BEGIN, 100)).wrong == 0
    await rooms.close("1")


async def test_rooms_from_before_there_were_places_are_counted(rooms: RoomStore) -> None:
    await open_of(rooms, "1")
    await rooms.redis.hdel(keys.room("1"), "arrived")
    await rooms.redis.delete(keys.PLACES, keys.UNANSWERED, keys.ADMISSION)
    assert (await rooms.line.heal(BEGIN, 100)).wrong == 3
    assert await open_of(rooms, "2") is Found.HELD


async def test_a_wait_that_is_too_long_becomes_a_dead_letter_and_lets_none_of_its_like_in(rooms: RoomStore) -> None:
    for sid in ("1", "2", "3"):
        await open_of(rooms, sid)
    assert await rooms.line.end_waits("premium", 3_600_000, reason="r", limit=10) == []
    assert await rooms.line.end_waits("free", -1000, reason="r", limit=10) == []
    assert await rooms.line.end_waits("premium", -1000, reason="too long", limit=2) == ["1", "2"]
    assert await states(rooms, "1", "2", "3") == [State.DEAD, State.DEAD, State.QUEUED]
    assert await waiting(rooms) == ["1 1", "3 1"]
    assert [(letter.sid, letter.reason) for letter in await rooms.dead_letters()] == [
        ("2", "too long"),
        ("1", "too long"),
    ]
    assert await rooms.line.to_tell(10) == ["1", "2"]


async def test_whoever_was_told_to_wait_is_on_the_list_of_those_to_tell_when_answered(rooms: RoomStore) -> None:
    for sid in ("1", "2"):
        await open_of(rooms, sid)
    assert await rooms.line.mark_told(["1", "nobody"]) == ["1"]
    await claim_of(rooms, "1")
    assert await rooms.line.to_tell(10) == ["1"]
    await rooms.line.told("1")
    assert await rooms.line.to_tell(10) == []
