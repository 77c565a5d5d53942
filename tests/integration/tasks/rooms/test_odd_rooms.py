"""One room whose hash is odd, and healthy ones beside it, which every sweep still finds."""

from __future__ import annotations

from itertools import product

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tasks.rooms import CloseResult, Limits, OpenResult, RepairCursor, Room, RoomStore, State, keys
from tests.support.rooms import open_some_room

ODD = "RM_odd"
MANY = 1000
STATES = (State.WAITING, State.QUEUED, State.RUNNING)
FIELDS = ("sid", "name", "tenant", "tier", "queue", "message", "state", "attempt", "arrived", "at:queued")
WAYS = ["all fields", "a string", "a list", *(f"{how} {field}" for how, field in product(("no", "odd"), FIELDS))]


async def open_of(rooms: RoomStore, sid: str, tenant: str, limit: int | None = None, queue: str = "premium") -> None:
    await open_some_room(
        rooms, sid, tenant=tenant, queue=queue, message=f"{sid} 1".encode(), limits=Limits(tenant=limit)
    )


async def claim(rooms: RoomStore, sid: str) -> None:
    assert isinstance(await rooms.claim(sid, 1, claimant="c", worker="w", pid=1), Room)


async def bring_into(rooms: RoomStore, state: State) -> None:
    """Bring the odd room into this state, in the same tenant as the healthy ones, and first of all."""
    await open_of(rooms, ODD, "acme", limit=0 if state is State.WAITING else None)
    if state is State.RUNNING:
        await claim(rooms, ODD)


async def make_odd(rooms: RoomStore, way: str) -> None:
    key = keys.room(ODD)
    if way == "all fields":
        await rooms.redis.delete(key)
    elif way == "a string":
        await rooms.redis.set(key, "odd", px=1_000_000)
    elif way == "a list":
        await rooms.redis.delete(key)
        await rooms.redis.rpush(key, "odd")
        await rooms.redis.pexpire(key, 1_000_000)
    elif way.startswith("no "):
        await rooms.redis.hdel(key, way.removeprefix("no "))
    else:
        await rooms.redis.hset(key, way.removeprefix("odd "), "\\0 odd")


async def put_odd_members(rooms: RoomStore) -> None:
    odd: dict[str, float] = {"odd": 0, "premium\0odd": 0, "acme\0\0": 0, "\0\0\0": 0, "": 0, "premium\0": 0}
    for name in (
        keys.PERMITS,
        keys.WAITLIST,
        keys.ELIGIBLE,
        keys.UNANSWERED,
        keys.QUEUED,
        keys.LEASES,
        keys.TENANTLESS,
        keys.ROOMS,
        keys.DELAYED,
    ):
        await rooms.redis.zadd(name, odd)
    await rooms.redis.hset(keys.ADMISSION, mapping={"tenant:acme": "odd", "unclaimed": "odd"})


async def sweep(rooms: RoomStore) -> dict[str, list[str]]:
    """Run everything that goes over many rooms, and return what it found."""
    found: dict[str, list[str]] = {}
    for sid in await rooms.redis.zrange(keys.QUEUED, 0, -1):
        await rooms.redis.zadd(keys.QUEUED, {str(sid): 1})
    found["lost messages"] = await rooms.requeue_lost_messages(5000, MANY)
    await rooms.queue_delayed_rooms(MANY)
    await rooms.waitlist.list_tenantless(MANY)
    found["expired"] = await rooms.list_expired_leases(MANY)
    cursor = RepairCursor()
    whole = {"permits": False, "rooms": False}
    while not all(whole.values()):
        cursor = await rooms.waitlist.repair(cursor, MANY)
        whole["permits"] |= cursor.permits == "0"
        whole["rooms"] |= cursor.rooms == "0"
    found["tenants"] = await rooms.waitlist.list_tenants("", MANY)
    _, waits = await rooms.waitlist.list_waits("", MANY, waited_ms=0)
    found["waits"] = [wait.sid for wait in waits]
    sids = [ODD, "RM_lost", "RM_waits", "RM_runs"]
    found["told"] = await rooms.waitlist.mark_notified(sids)
    found["known"] = list(await rooms.look_up(sids))
    found["open"] = [room.sid for room in await rooms.list_open()]
    found["all"] = [room.sid for room in await rooms.list_all()]
    return found


@pytest.mark.parametrize("state", STATES)
async def test_an_odd_room_keeps_no_sweep_from_the_others(rooms: RoomStore, state: State) -> None:
    wrong = {}
    for way in WAYS:
        try:
            await odd_beside_healthy(rooms, state, way)
        except (AssertionError, RedisError, ValueError, KeyError) as error:
            wrong[way] = f"{type(error).__name__}: {error}"
        await rooms.redis.flushall()
    assert wrong == {}


async def odd_beside_healthy(rooms: RoomStore, state: State, way: str) -> None:
    await bring_into(rooms, state)
    await open_of(rooms, "RM_lost", "acme")
    await open_of(rooms, "RM_runs", "bolt")
    await rooms.redis.lrem("premium", 1, "RM_lost 1")
    await claim(rooms, "RM_runs")
    await rooms.redis.zadd(keys.LEASES, {"RM_runs": 1})
    await open_of(rooms, "RM_waits", "acme", limit=1)
    await make_odd(rooms, way)

    found = await sweep(rooms)
    assert "RM_lost" in found["lost messages"]
    assert "RM_runs" in found["expired"]
    assert {"RM_lost", "RM_waits"} <= set(found["waits"])
    assert {"RM_lost", "RM_waits"} <= set(found["told"])
    assert found["tenants"] == ["acme"]
    healthy = {"RM_lost", "RM_waits", "RM_runs"}
    assert healthy <= set(found["known"]) & set(found["open"]) & set(found["all"])

    await rooms.waitlist.set_limits({"acme": None}, {"premium": None}, None)
    assert (await rooms.get("RM_waits") or pytest.fail("forgotten")).state is State.QUEUED
    ended = await rooms.waitlist.expire_waits("premium", -1000, reason="nobody came", limit=MANY)
    assert {"RM_lost", "RM_waits"} <= set(ended)
    if (await rooms.close(ODD)) is CloseResult.CLOSING:
        assert await rooms.end(ODD, 1, outcome="room empty")
    # It is over, or it was forgotten; in any case nothing of it is left.
    await sweep(rooms)
    for name in (keys.ROOMS, keys.QUEUED, keys.LEASES, keys.PERMITS, keys.WAITLIST, keys.UNANSWERED, keys.ELIGIBLE):
        assert [member for member in await rooms.redis.zrange(name, 0, -1) if ODD in member] == [], name
    # What nobody can find any more, the worker that takes it drops.
    unknown = way in {"all fields", "a string", "a list"} or way.endswith((" queue", " message"))
    assert unknown or await rooms.redis.llen("premium") == 0


async def test_a_room_whose_hash_cannot_be_read_is_forgotten_and_can_be_opened_again(rooms: RoomStore) -> None:
    for way in ("a string", "a list", "no state", "odd state", "no attempt", "no queue"):
        await forgotten_and_opened_again(rooms, way)
        await rooms.redis.flushall()


async def forgotten_and_opened_again(rooms: RoomStore, way: str) -> None:
    await bring_into(rooms, State.QUEUED)
    await make_odd(rooms, way)
    await sweep(rooms)
    assert await rooms.get(ODD) is None
    assert await rooms.look_up([ODD]) == {}
    opened = await open_some_room(rooms, ODD, message=b"RM_odd 1 again")
    assert opened is OpenResult.QUEUED


async def test_odd_members_of_the_indexes_keep_no_sweep_from_the_rooms(rooms: RoomStore) -> None:
    await open_of(rooms, "RM_lost", "acme")
    await rooms.redis.delete("premium")
    await open_of(rooms, "RM_runs", "bolt")
    await claim(rooms, "RM_runs")
    await rooms.redis.zadd(keys.LEASES, {"RM_runs": 1})
    await open_of(rooms, "RM_waits", "coral", limit=0)
    await put_odd_members(rooms)
    found = await sweep(rooms)
    assert found["lost messages"] == ["RM_lost"]
    assert "RM_runs" in found["expired"]
    assert {"RM_lost", "RM_waits"} <= set(found["waits"])
    ended = await rooms.waitlist.expire_waits("premium", -1000, reason="nobody came", limit=MANY)
    assert set(ended) == {"RM_lost", "RM_waits"}


async def test_a_queue_that_is_no_list_keeps_no_room_of_another_queue(rooms: RoomStore) -> None:
    await rooms.redis.set("broken", "odd", px=1_000_000)
    await open_of(rooms, ODD, "acme", queue="broken")
    await open_of(rooms, "RM_lost", "bolt")
    await rooms.redis.delete("premium")
    assert (await sweep(rooms))["lost messages"] == ["RM_lost"]
    assert await rooms.waitlist.expire_waits("premium", -1000, reason="r", limit=MANY) == [ODD, "RM_lost"]


async def test_a_user_of_redis_that_may_not_read_rooms_does_not_take_them_for_odd_ones(rooms: RoomStore) -> None:
    await open_of(rooms, "RM_1", "acme")
    await rooms.redis.acl_setuser(
        "blind", enabled=True, nopass=True, categories=["+@all"], keys=[*keys.PERMANENT, "premium"]
    )
    known = rooms.redis.connection_pool.connection_kwargs
    blind = {"host": known["host"], "port": known["port"], "username": "blind", "password": "none"}
    async with Redis(**blind, decode_responses=True) as client:
        with pytest.raises(RedisError, match=r"access|permission"):
            await RoomStore(client).waitlist.repair(RepairCursor(), MANY)
    assert [room.sid for room in await rooms.list_open()] == ["RM_1"]
    assert await rooms.redis.llen("premium") == 1
