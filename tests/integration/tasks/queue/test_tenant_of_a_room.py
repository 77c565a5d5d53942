"""The tenant of a room that is dispatched: by its metadata, its name, or the number that was called."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.rooms import RoomStore, State
from tasks.rooms import keys as room_keys
from tasks.settings import Settings
from tasks.tenants import keys
from tests.support.tenants import declare

SID = "RM_1"
NUMBER = "+15551234567"
UUID = "123e4567-e89b-12d3-a456-426614174000"
RULE_ROOM = "call-_+15557654321_aBcDeFgHiJkL"
TENANTS = f"""
[tenants.acme]
tier = "premium"
numbers = ["{NUMBER}"]
[tenants.acme-inc]
tier = "free"
[tenants.{UUID}]
tier = "free"
[tenants.fallback]
tier = "standard"
"""


@pytest.fixture
async def dispatcher(switchboard_env: dict[str, str], rooms: RoomStore) -> AsyncIterator[Dispatcher]:
    await declare(rooms.redis, TENANTS)
    made = Dispatcher.from_settings(Settings.read())
    yield made
    await made.aclose()


@pytest.fixture
async def with_default(
    switchboard_env: dict[str, str], rooms: RoomStore, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Dispatcher]:
    monkeypatch.setenv("SWITCHBOARD_DEFAULT_TENANT", "fallback")
    await declare(rooms.redis, TENANTS)
    made = Dispatcher.from_settings(Settings.read())
    yield made
    await made.aclose()


def ago(seconds: float) -> int:
    return int((time.time() - seconds) * 1000)


async def open_at_last(dispatcher: Dispatcher, rooms: RoomStore, room: RoomInfo) -> DispatchResult:
    """Open a room whose time to get a tenant is over. Redis' clock cannot be set."""
    assert await dispatcher.open(room) is DispatchResult.NO_TENANT_YET
    await rooms.redis.zadd(room_keys.TENANTLESS, {f"{room.sid}\0{room.name}": 1})
    return await dispatcher.open(room)


async def tenant(rooms: RoomStore) -> str:
    room = await rooms.get(SID)
    assert room is not None
    assert room.state is State.QUEUED
    return room.tenant


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"call-acme-{UUID}", "acme"),
        (f"call-acme-inc-{UUID}", "acme-inc"),
        (f"call-{UUID}-{UUID}", UUID),
        ("call-acme-inc-1", "acme-inc"),
        ("call-acme-incorporated-1", "acme"),
    ],
)
async def test_the_tenant_is_the_longest_declared_one_that_fits_the_name(
    dispatcher: Dispatcher, rooms: RoomStore, name: str, expected: str
) -> None:
    assert await dispatcher.open(RoomInfo(SID, name)) is DispatchResult.QUEUED
    assert await tenant(rooms) == expected


async def test_a_name_that_fits_no_tenant_is_a_dead_letter_that_names_those_it_could_be(
    dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    assert await open_at_last(dispatcher, rooms, RoomInfo(SID, "call-bolt-eu-7")) is DispatchResult.DEAD
    (letter,) = await rooms.list_dead_letters()
    assert "none of these tenants is declared: 'bolt-eu', 'bolt'" in letter.reason


async def test_a_call_of_a_native_trunk_is_the_tenants_whose_number_was_called(
    dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    announced = RoomInfo(SID, RULE_ROOM, started_at_ms=ago(0))

    assert await dispatcher.open(announced) is DispatchResult.NO_TENANT_YET
    assert await rooms.get(SID) is None
    caller = RoomInfo(SID, RULE_ROOM, started_at_ms=ago(0), joined_at_ms=ago(0), called_number=NUMBER)
    assert await dispatcher.open(caller) is DispatchResult.QUEUED
    assert await tenant(rooms) == "acme"


async def test_the_number_comes_before_the_default_tenant_although_the_room_is_announced_first(
    with_default: Dispatcher, rooms: RoomStore
) -> None:
    assert await with_default.open(RoomInfo(SID, RULE_ROOM, started_at_ms=ago(0))) is DispatchResult.NO_TENANT_YET
    assert await with_default.open(RoomInfo(SID, RULE_ROOM, called_number=NUMBER)) is DispatchResult.QUEUED
    assert await tenant(rooms) == "acme"


async def test_a_number_that_no_tenant_has_is_the_default_tenants(with_default: Dispatcher, rooms: RoomStore) -> None:
    assert await with_default.open(RoomInfo(SID, RULE_ROOM, called_number="+15550000000")) is DispatchResult.QUEUED
    assert await tenant(rooms) == "fallback"


async def test_a_room_of_another_name_does_not_wait_for_a_number(with_default: Dispatcher, rooms: RoomStore) -> None:
    assert await with_default.open(RoomInfo(SID, "standup", started_at_ms=ago(0))) is DispatchResult.QUEUED


async def test_a_number_that_no_tenant_has_is_a_dead_letter_without_the_number(
    dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    result = await dispatcher.open(RoomInfo(SID, RULE_ROOM, started_at_ms=ago(0), called_number="+15550000000"))

    assert result is DispatchResult.DEAD
    (letter,) = await rooms.list_dead_letters()
    assert "5550000000" not in letter.reason


async def test_metadata_that_is_set_late_still_counts(dispatcher: Dispatcher, rooms: RoomStore) -> None:
    assert await dispatcher.open(RoomInfo(SID, "standup", started_at_ms=ago(0.3))) is DispatchResult.NO_TENANT_YET
    with_metadata = RoomInfo(SID, "standup", '{"tenant_id": "acme"}', started_at_ms=ago(0.6))
    assert await dispatcher.open(with_metadata) is DispatchResult.QUEUED


@pytest.mark.parametrize("started_seconds_ago", [None, 60, -3600])
async def test_a_room_whose_tenant_does_not_come_is_a_dead_letter_whatever_the_servers_clock_says(
    dispatcher: Dispatcher, rooms: RoomStore, started_seconds_ago: float | None
) -> None:
    started_at_ms = None if started_seconds_ago is None else ago(started_seconds_ago)
    standup = RoomInfo(SID, "standup", started_at_ms=started_at_ms)
    assert await open_at_last(dispatcher, rooms, standup) is DispatchResult.DEAD


async def test_a_room_whose_number_does_not_come_is_the_default_tenants_at_last(
    with_default: Dispatcher, rooms: RoomStore
) -> None:
    assert await open_at_last(with_default, rooms, RoomInfo(SID, RULE_ROOM)) is DispatchResult.QUEUED
    assert await tenant(rooms) == "fallback"


@pytest.mark.parametrize("metadata", ["[" * 60_000, '{"tenant_id": "\\ud800"}', '{"tenant_id": {"a": 1}}', "\x00"])
async def test_metadata_of_any_content_is_a_dead_letter_and_no_exception(
    dispatcher: Dispatcher, rooms: RoomStore, metadata: str
) -> None:
    assert await open_at_last(dispatcher, rooms, RoomInfo(SID, "standup", metadata)) is DispatchResult.DEAD


@pytest.mark.parametrize("record", ["", "{", "[]", "null", "7", '"premium"', "[" * 60_000, '{"tier": ["premium"]}'])
@pytest.mark.parametrize("room", [RoomInfo(SID, "call-acme-1"), RoomInfo(SID, RULE_ROOM, called_number=NUMBER)])
async def test_a_corrupt_record_of_a_tenant_is_a_dead_letter_that_says_so(
    dispatcher: Dispatcher, rooms: RoomStore, record: str, room: RoomInfo
) -> None:
    await rooms.redis.hset(keys.TENANTS, "acme", record)

    assert await dispatcher.open(room) is DispatchResult.DEAD
    (letter,) = await rooms.list_dead_letters()
    assert letter.reason.startswith("Tenant 'acme' cannot be used: ")
    assert await dispatcher.open(RoomInfo("RM_2", "call-acme-inc-1")) is DispatchResult.QUEUED


@pytest.mark.parametrize(
    "room", [RoomInfo(SID, "call-acme-1-human-agent"), RoomInfo(SID, "call-acme-1", '{"switchboard": false}')]
)
async def test_a_room_that_wants_no_agent_leaves_nothing_in_redis(
    dispatcher: Dispatcher, rooms: RoomStore, room: RoomInfo
) -> None:
    assert await dispatcher.open(room) is DispatchResult.LEFT
    assert await rooms.list_all() == []
    assert await rooms.list_dead_letters() == []
