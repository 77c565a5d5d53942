"""The census counts what the rooms say, however many there are."""

from __future__ import annotations

import random
from collections import Counter

from tasks.rooms import Limits, Room, RoomCensus, RoomStore, State, TierCensus, keys
from tests.support.rooms import open_some_room

TIERS = ("premium", "standard")


async def open_room(rooms: RoomStore, sid: str, tier: str, *, limit: int | None = None, tenant: str = "acme") -> None:
    """Open a room. Its queue need not have the name of its tier."""
    await open_some_room(
        rooms, sid, tenant=tenant, tier=tier, queue="premium", message=sid.encode(), limits=Limits(tenant=limit)
    )


async def by_the_rooms(rooms: RoomStore) -> dict[tuple[str, str], int]:
    return dict(Counter((room.tier, room.state.value) for room in await rooms.list_open()))


def by_the_census(census: dict[str, TierCensus]) -> dict[tuple[str, str], int]:
    counts = {
        (tier, state): number
        for tier, each in census.items()
        for state, number in (("waiting", each.waiting), ("queued", each.queued), ("running", each.running))
    }
    return {key: number for key, number in counts.items() if number}


async def test_no_rooms_are_zeros_for_each_tier(rooms: RoomStore) -> None:
    assert await RoomCensus(rooms.redis).take(TIERS) == dict.fromkeys(TIERS, TierCensus(0, 0, 0, 0))


async def test_after_any_history_it_agrees_with_the_rooms(rooms: RoomStore) -> None:
    chance = random.Random(7)
    census = RoomCensus(rooms.redis, part=3)
    for number in range(60):
        tenant = f"tenant-{number % 5}"
        await open_room(rooms, f"RM_{number}", chance.choice(TIERS), limit=chance.choice([None, 3]), tenant=tenant)
        for room in chance.sample(listed := await rooms.list_open(), k=min(2, len(listed))):
            await happen(rooms, room, chance)
        assert by_the_census(await census.take(TIERS)) == await by_the_rooms(rooms)
    found = await by_the_rooms(rooms)
    assert {state for _, state in found} == {"waiting", "queued", "running"}


async def happen(rooms: RoomStore, room: Room, chance: random.Random) -> None:
    """Let something happen to an open room that can happen to it."""
    if room.state is State.QUEUED and chance.random() < 0.6:
        await rooms.claim(room.sid, room.attempt, claimant="a", worker="w", pid=1)
    elif room.state is State.RUNNING and chance.random() < 0.3:
        await rooms.requeue(room.sid, room.attempt, queue=room.queue, message=b"x", reason="x", max_attempts=9)
    elif room.state is State.RUNNING and chance.random() < 0.5:
        await rooms.end(room.sid, room.attempt, outcome="room empty")
    elif chance.random() < 0.2:
        await rooms.close(room.sid)


async def test_the_longest_wait_is_that_of_the_room_that_has_waited_longest(rooms: RoomStore) -> None:
    await open_room(rooms, "RM_1", "premium")
    await open_room(rooms, "RM_2", "premium")
    census = RoomCensus(rooms.redis)
    # So long ago, and listed before it: a room that is over, whose member is still there.
    arrived = {"RM_0": 1_000_000_000_000_000, "RM_1": 1_100_000_000_000_000}
    first = await rooms.get("RM_1")
    assert first is not None
    await rooms.redis.zrem(keys.UNANSWERED, f"premium\0{first.arrived_us}\0RM_1")
    for sid, microseconds in arrived.items():
        await rooms.redis.zadd(keys.UNANSWERED, {f"premium\0{microseconds}\0{sid}": 0})
    await rooms.redis.hset(keys.room("RM_1"), "arrived", str(arrived["RM_1"]))
    now_ms = int((await rooms.redis.time())[0]) * 1000
    waited = (await census.take(TIERS))["premium"].longest_wait_ms
    assert abs(waited - (now_ms - arrived["RM_1"] // 1000)) < 10_000
    await rooms.claim("RM_1", 1, claimant="a", worker="w", pid=1)
    assert (await census.take(TIERS))["premium"].longest_wait_ms < 60_000


async def test_a_tier_that_is_not_a_setting_any_more_is_counted_while_it_has_queued_rooms(rooms: RoomStore) -> None:
    await open_room(rooms, "RM_1", "gold")
    assert (await RoomCensus(rooms.redis).take(TIERS))["gold"].queued == 1


async def test_a_record_that_cannot_be_read_keeps_no_other_from_being_counted(rooms: RoomStore) -> None:
    await open_room(rooms, "RM_1", "premium")
    await open_room(rooms, "RM_2", "premium")
    await rooms.redis.delete(keys.room("RM_1"))
    await rooms.redis.set(keys.room("RM_1"), "no hash", px=60_000)
    assert (await RoomCensus(rooms.redis).take(TIERS))["premium"].queued == 1
