"""Rooms that name no tenant when they are announced."""

from __future__ import annotations

import asyncio
import time

import pytest

from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.reconcile.tenantless_rooms import TenantlessConfig, TenantlessRooms
from tasks.rooms import RoomStore, State, keys
from tasks.settings import LivekitSettings, Settings
from tests.integration.tasks.reconcile.calls import get, listed_room, now_ms
from tests.support.fake_livekit_api import FakeLiveKitApi
from tests.support.waiting import until

SID, NAME = "RM_1", "a room of its backend"
ACME = '{"tenant_id": "acme"}'
BARE = RoomInfo(SID, NAME)


@pytest.fixture
def tenantless(
    rooms: RoomStore, dispatcher: Dispatcher, livekit_settings: LivekitSettings, settings: Settings
) -> TenantlessRooms:
    return TenantlessRooms(rooms, dispatcher, livekit_settings, settings.tenants)


async def let_time_pass(rooms: RoomStore, settings: Settings) -> None:
    """Make the waits for a tenant as long as they may be. Redis' clock cannot be set."""
    long_ago = now_ms() - round(settings.tenants.wait_seconds * 1000) - 1000
    waiting = await rooms.redis.zrange(keys.TENANTLESS, 0, -1)
    await rooms.redis.zadd(keys.TENANTLESS, dict.fromkeys(map(str, waiting), long_ago))


@pytest.mark.parametrize("name", [NAME, "call-nobody-1"])
@pytest.mark.parametrize("metadata", ["", "{}", "not yet JSON"])
async def test_a_room_whose_tenant_comes_after_it_is_answered_within_a_tick(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    tenantless: TenantlessRooms,
    name: str,
    metadata: str,
) -> None:
    assert await dispatcher.open(RoomInfo(SID, name, metadata)) is DispatchResult.NO_TENANT_YET
    server.list_rooms([listed_room(SID, name, metadata=metadata)])
    sweep = asyncio.create_task(tenantless.sweep())

    async def looked() -> bool:
        return server.requests["ListRooms by name"] > 0

    await until(looked)
    server.list_rooms([listed_room(SID, name, metadata=ACME)])
    began = time.monotonic()
    await sweep
    room = await get(rooms, SID)
    assert (room.state, room.tenant) == (State.QUEUED, "acme")
    assert time.monotonic() - began < TenantlessConfig().seconds
    assert await rooms.waitlist.list_tenantless(10) == []


async def test_it_costs_no_request_while_no_room_waits_for_a_tenant(
    server: FakeLiveKitApi, tenantless: TenantlessRooms
) -> None:
    await tenantless.sweep()
    assert not server.requests


async def test_a_room_that_gets_none_is_one_dead_letter_and_only_if_a_caller_is_in_it(
    rooms: RoomStore, dispatcher: Dispatcher, server: FakeLiveKitApi, tenantless: TenantlessRooms, settings: Settings
) -> None:
    for sid, people in (("RM_1", 1), ("RM_2", 0)):
        await dispatcher.open(RoomInfo(sid, sid))
        server.participants[sid] = []
        server.list_rooms([listed_room("RM_1", "RM_1", people=1), listed_room("RM_2", "RM_2", people=people)])
    del server.participants["RM_1"]
    await tenantless.sweep()
    assert await rooms.list_dead_letters() == []
    await let_time_pass(rooms, settings)
    await tenantless.sweep()
    (letter,) = await rooms.list_dead_letters()
    assert (letter.sid, "names no tenant" in letter.reason) == ("RM_1", True)
    assert await rooms.waitlist.list_tenantless(10) == []
    # The next caller in the empty one begins its wait anew.
    assert await rooms.get("RM_2") is None
    assert await dispatcher.open(RoomInfo("RM_2", "RM_2", joined_at_ms=now_ms())) is DispatchResult.NO_TENANT_YET


async def test_its_wait_survives_the_receivers_and_another_event_may_end_it(
    rooms: RoomStore, dispatcher: Dispatcher, server: FakeLiveKitApi, tenantless: TenantlessRooms, settings: Settings
) -> None:
    await dispatcher.open(BARE)
    await let_time_pass(rooms, settings)
    # No leader has looked at it: the event itself decides.
    assert await dispatcher.open(BARE) is DispatchResult.DEAD
    # A caller who joins when the metadata names a tenant by now is answered.
    joined = RoomInfo(SID, NAME, ACME, joined_at_ms=now_ms())
    assert await dispatcher.open(joined) is DispatchResult.QUEUED
    room = await get(rooms, SID)
    assert (room.state, room.attempt) == (State.QUEUED, 1)
    server.list_rooms([listed_room(SID, NAME, metadata=ACME)])
    await tenantless.sweep()
    assert await rooms.waitlist.list_tenantless(10) == []
    assert await dispatcher.open(joined) is DispatchResult.KNOWN


async def test_a_tenant_that_the_metadata_names_and_nobody_has_declared_is_a_dead_letter_at_once(
    dispatcher: Dispatcher,
) -> None:
    assert await dispatcher.open(RoomInfo(SID, NAME, '{"tenant_id": "nobody"}')) is DispatchResult.DEAD


async def test_a_room_that_the_server_does_not_list_is_waited_for_a_while_and_then_forgotten(
    rooms: RoomStore, dispatcher: Dispatcher, tenantless: TenantlessRooms
) -> None:
    await dispatcher.open(BARE)
    await tenantless.sweep()
    assert len(await rooms.waitlist.list_tenantless(10)) == 1
    await rooms.redis.zadd(keys.TENANTLESS, {f"{SID}\0{NAME}": now_ms() - 60_000})
    await tenantless.sweep()
    assert await rooms.waitlist.list_tenantless(10) == []
    assert await rooms.get(SID) is None


async def test_a_room_that_has_finished_waits_no_longer(
    rooms: RoomStore, dispatcher: Dispatcher, server: FakeLiveKitApi, tenantless: TenantlessRooms, settings: Settings
) -> None:
    await dispatcher.open(BARE)
    await dispatcher.close(SID)
    server.list_rooms([listed_room(SID, NAME)])
    await let_time_pass(rooms, settings)
    await tenantless.sweep()
    assert await rooms.waitlist.list_tenantless(10) == []
    assert await rooms.list_dead_letters() == []


async def test_nothing_is_decided_while_the_server_does_not_answer(
    rooms: RoomStore, dispatcher: Dispatcher, server: FakeLiveKitApi, tenantless: TenantlessRooms, settings: Settings
) -> None:
    await dispatcher.open(BARE)
    await let_time_pass(rooms, settings)
    server.refused["ListRooms by name"] = "internal"
    await tenantless.sweep()
    assert len(await rooms.waitlist.list_tenantless(10)) == 1


async def test_a_room_about_which_something_keeps_failing_blocks_no_other_for_ever(
    rooms: RoomStore, dispatcher: Dispatcher, server: FakeLiveKitApi, tenantless: TenantlessRooms
) -> None:
    for sid in ("RM_odd", SID):
        await dispatcher.open(RoomInfo(sid, sid))
    await rooms.redis.set(keys.room("RM_odd"), "no hash", ex=60)
    server.list_rooms([listed_room("RM_odd", "RM_odd"), listed_room(SID, SID, metadata=ACME)])
    await tenantless.sweep()
    assert (await get(rooms, SID)).state is State.QUEUED
    await rooms.redis.zadd(keys.TENANTLESS, {"RM_odd\0RM_odd": now_ms() - 61_000})
    await tenantless.sweep()
    assert await rooms.waitlist.list_tenantless(10) == []
