"""Open calls and those that are over in one list."""

from __future__ import annotations

import pytest

from tasks.records import CallFilter, Database, RecordStore
from tasks.records.directory import CallDirectory
from tasks.rooms import EndedBy, Limits, Room, RoomStore, State, keys, open_rooms
from tasks.rooms.open_rooms import Concurrency, OpenRooms
from tests.support.databases import attempt_entry, call_entry, write
from tests.support.rooms import open_some_room


@pytest.fixture
def directory(rooms: RoomStore, store: RecordStore) -> CallDirectory:
    return CallDirectory(OpenRooms(rooms.redis), store, redis_seconds=2)


async def open_room(rooms: RoomStore, sid: str, opened_ms: int, *, tenant: str = "acme", limit: int = 9) -> None:
    await open_some_room(rooms, sid, tenant=tenant, limits=Limits(tenant=limit))
    await rooms.redis.hset(keys.room(sid), "opened", opened_ms)
    await rooms.redis.zadd(keys.ROOMS, {sid: opened_ms})


async def pages(directory: CallDirectory, wanted: CallFilter, limit: int) -> list[list[tuple[str, bool]]]:
    """Each page's calls by their sids, and whether they are open."""
    found, cursor = [], None
    while True:
        page = await directory.list_calls(wanted, cursor=cursor, limit=limit)
        found.append([(call.sid, isinstance(call, Room)) for call in page.calls])
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_pages_go_over_open_calls_and_over_records_and_show_each_call_once(
    rooms: RoomStore, database: Database, directory: CallDirectory
) -> None:
    for number in (1, 3, 6):
        await open_room(rooms, f"RM_{number}", 1000 * number)
    await open_room(rooms, "RM_9", 9000, tenant="bolt")
    entries = [call_entry(f"RM_{number}", opened_ms=1000 * number) for number in (2, 4, 5)]
    # Its call goes on: an attempt of it alone is over.
    lost = attempt_entry("RM_3", opened_ms=3000, ending="lost")
    await write(database, [*entries, lost, call_entry("RM_8", tenant="bolt", opened_ms=8000)])

    expected = [(f"RM_{number}", number in {1, 3, 6}) for number in (6, 5, 4, 3, 2, 1)]
    for limit in (1, 2, 3, 4, 6, 50):
        listed = await pages(directory, CallFilter(tenant="acme"), limit)
        assert [call for page in listed for call in page] == expected
        assert all(len(page) == limit for page in listed[:-1])
        assert listed[-1]
    everybody = await pages(directory, CallFilter(), 50)
    assert everybody == [[("RM_9", True), ("RM_8", False), *expected]]


async def test_open_calls_are_found_by_what_is_known_of_them(
    rooms: RoomStore, database: Database, directory: CallDirectory
) -> None:
    for number in (1, 2, 3):
        await open_room(rooms, f"RM_{number}", 1000 * number, limit=2)
    await rooms.redis.hset(keys.room("RM_1"), "number", "+4930123")
    await write(database, [call_entry("RM_4", opened_ms=500, number="+4930999")])

    async def sids(states: frozenset[State] | None = None, **wanted: object) -> list[str]:
        page = await directory.list_calls(CallFilter(**wanted), states=states)  # type: ignore[arg-type]
        return [call.sid for call in page.calls]

    assert await sids(number="+4930*") == ["RM_1", "RM_4"]
    assert await sids(name="call-acme-RM_2") == ["RM_2"]
    assert await sids(since_ms=1000, until_ms=3000) == ["RM_2", "RM_1"]
    assert await sids(outcome="room empty") == ["RM_4"]
    assert await sids(frozenset({State.WAITING}), sid="RM_3") == ["RM_3"]
    waiting = await directory.list_calls(states=frozenset({State.WAITING}), recorded=False)
    assert [call.sid for call in waiting.calls] == ["RM_3"]
    # An attempt of it is over, and the call is not.
    await write(database, [attempt_entry("RM_1", opened_ms=1000, ending="lost")])
    over = await directory.list_calls(states=frozenset())
    assert [call.sid for call in over.calls] == ["RM_4"]


@pytest.mark.parametrize("searched", [1, 2, 500])
async def test_open_calls_are_searched_in_parts_and_an_odd_key_hides_no_other(
    rooms: RoomStore, directory: CallDirectory, monkeypatch: pytest.MonkeyPatch, searched: int
) -> None:
    monkeypatch.setattr(open_rooms, "SEARCHED", searched)
    for number in range(1, 6):
        await open_room(rooms, f"RM_{number}", 1000 * number)
        await rooms.redis.hset(keys.room(f"RM_{number}"), "number", f"+4930{number % 2}*.")
    await rooms.redis.delete(keys.room("RM_4"))
    await rooms.redis.set(keys.room("RM_4"), "no hash", ex=60)

    async def sids(**wanted: str) -> list[str]:
        page = await directory.list_calls(CallFilter(**wanted), recorded=False)  # type: ignore[arg-type]
        return [call.sid for call in page.calls]

    assert await sids(number="+49301*") == ["RM_5", "RM_3", "RM_1"]
    # Only the last star stands for anything.
    assert await sids(number="+49301*.") == ["RM_5", "RM_3", "RM_1"]
    assert await sids(number="+4930*.") == []
    assert await sids(number="*") == ["RM_5", "RM_3", "RM_2", "RM_1"]
    assert await sids(number="") == []
    assert await sids(number="+49301*", name="call-acme-RM_3") == ["RM_3"]
    assert await sids(name="call-acme-RM_*", tenant="acme") == ["RM_5", "RM_3", "RM_2", "RM_1"]
    assert await sids(name="call-acme-RM_*", tenant="bolt") == []
    await rooms.redis.delete(keys.room("RM_4"))


async def test_what_no_open_call_can_match_is_not_looked_for_in_redis(
    rooms: RoomStore, database: Database, directory: CallDirectory
) -> None:
    await open_room(rooms, "RM_1", 5000)
    await open_room(rooms, "RM_2", 9000)
    await write(database, [call_entry("RM_3", opened_ms=4000)])

    async def reads(**wanted: object) -> tuple[list[str], int]:
        before = await _scripts(rooms)
        page = await directory.list_calls(CallFilter(**wanted))  # type: ignore[arg-type]
        return [call.sid for call in page.calls], await _scripts(rooms) - before

    # Redis has the script from then on.
    await directory.list_calls()
    assert await reads(outcome="room empty") == (["RM_3"], 0)
    assert await reads(ended_by=EndedBy.LIMIT) == ([], 0)
    # Those that are opened later are not read to be left out.
    assert await reads(until_ms=5000) == (["RM_3"], 0)
    assert await reads(until_ms=9000) == (["RM_1", "RM_3"], 1)


async def _scripts(rooms: RoomStore) -> int:
    stats = await rooms.redis.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])


async def test_a_call_is_found_in_redis_and_in_the_database_and_by_its_tenant_alone(
    rooms: RoomStore, database: Database, directory: CallDirectory
) -> None:
    await open_room(rooms, "RM_1", 5000)
    await write(database, [call_entry("RM_1", opened_ms=1000), call_entry("RM_2")])

    again = await directory.get_call("RM_1")
    assert again is not None
    # The record is that of the call before, as the room was opened again.
    assert (again.room is not None, again.record) == (True, None)
    await write(database, [attempt_entry("RM_1", opened_ms=5000, ending="lost")])
    found = await directory.get_call("RM_1", tenant="acme")
    assert found is not None
    assert found.record is not None
    assert [attempt.ending for attempt in found.record.attempts] == ["lost"]
    assert (await directory.get_call("RM_2", tenant="acme")) is not None
    for sid in ("RM_1", "RM_2", "RM_3"):
        assert await directory.get_call(sid, tenant="bolt") is None


async def test_the_open_rooms_of_a_tenant_are_counted_by_their_state(rooms: RoomStore) -> None:
    for number in range(5):
        await open_room(rooms, f"RM_{number}", 1000, limit=3)
    await rooms.claim("RM_0", 1, claimant="a", worker="w", pid=1)

    counted = await OpenRooms(rooms.redis).concurrency(["acme", "nobody"])

    assert counted == [Concurrency("acme", 1, 2, 2), Concurrency("nobody", 0, 0, 0)]
