"""The sync with a real LiveKit server that sends no webhooks."""

from __future__ import annotations

import asyncio

import pytest
from livekit import api

from ops.caller.caller import Caller, caller_token
from ops.stack.livekit import LiveKitServer
from tasks.queue.dispatcher import Dispatcher, RoomInfo
from tasks.reconcile.end_notifier import EndNotifier
from tasks.reconcile.failures import Failures
from tasks.reconcile.livekit_sync import LiveKitSync, LiveKitSyncConfig
from tasks.reconcile.missing_rooms import MissingRooms, MissingRoomsConfig
from tasks.rooms import ClaimRefusal, EndedBy, Repairs, RoomStore, State, SweepName, keys
from tasks.settings import Settings
from tests.support.tenants import declare
from tests.support.waiting import until

NAME = "call-acme-1"
# No webhook is on the way here, and no room is opened while the server answers.
AT_ONCE = LiveKitSyncConfig(announced_ms=-60_000)


@pytest.fixture
def settings(livekit_server_settings: Settings) -> Settings:
    return livekit_server_settings


@pytest.fixture
def repairs() -> Repairs:
    return Repairs()


@pytest.fixture
def sync(rooms: RoomStore, dispatcher: Dispatcher, settings: Settings, repairs: Repairs) -> LiveKitSync:
    missing = MissingRooms(rooms, Failures(), MissingRoomsConfig(listed_ms=-60_000))
    return LiveKitSync(rooms, dispatcher, settings.livekit, AT_ONCE, max_attempts=5, missing=missing, repairs=repairs)


async def test_a_room_with_a_caller_that_was_never_announced_is_opened_once(
    livekit: LiveKitServer, sync: LiveKitSync, rooms: RoomStore, repairs: Repairs
) -> None:
    token = caller_token(livekit.api_key, livekit.api_secret, room=NAME, identity="caller")
    assert not sync.livekit_is_up
    async with Caller.call(livekit.url, token) as caller:

        async def opened() -> bool:
            # The server counts participants a moment after they have come.
            await sync.sweep()
            return await rooms.get(caller.room_sid) is not None

        await until(opened)
        await sync.sweep()
        room = await rooms.get(caller.room_sid)
    assert room is not None
    assert (room.state, room.tenant, room.name) == (State.QUEUED, "acme", NAME)
    assert await rooms.redis.llen("premium") == 1
    assert +repairs == Repairs({SweepName.UNANNOUNCED_ROOMS: 1})
    assert sync.livekit_is_up


async def call_in(rooms: RoomStore, caller: Caller, ended_by: EndedBy) -> None:
    """The room's call was answered, and has ended."""
    await rooms.redis.delete("premium")
    claim = await rooms.claim(caller.room_sid, 1, claimant="a", worker="celery@one", pid=7)
    assert not isinstance(claim, ClaimRefusal)
    assert await rooms.end(caller.room_sid, 1, outcome="o", ended_by=ended_by)


async def test_a_room_that_was_left_alone_is_opened_again_when_somebody_is_in_it(
    livekit: LiveKitServer, sync: LiveKitSync, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    token = caller_token(livekit.api_key, livekit.api_secret, room=NAME, identity="caller")
    async with Caller.call(livekit.url, token) as caller:
        await dispatcher.open(RoomInfo(caller.room_sid, NAME))
        await call_in(rooms, caller, EndedBy.CALLERS)

        async def opened_again() -> bool:
            await sync.sweep()
            room = await rooms.get(caller.room_sid)
            return room is not None and room.state is State.QUEUED

        await until(opened_again)
        await sync.sweep()
        room = await rooms.get(caller.room_sid)
    assert room is not None
    assert room.attempt == 2
    assert await rooms.redis.llen("premium") == 1


async def test_a_caller_who_is_back_in_a_room_that_has_no_tenant_any_more_reads_why(
    livekit: LiveKitServer, sync: LiveKitSync, dispatcher: Dispatcher, rooms: RoomStore, settings: Settings
) -> None:
    token = caller_token(livekit.api_key, livekit.api_secret, room=NAME, identity="caller")
    async with Caller.call(livekit.url, token) as caller:
        await dispatcher.open(RoomInfo(caller.room_sid, NAME))
        await call_in(rooms, caller, EndedBy.CALLERS)
        await declare(rooms.redis, "")

        async def dead() -> bool:
            await sync.sweep()
            # The time that a room has to name a tenant is over. Redis' clock cannot be set.
            await rooms.redis.zadd(keys.TENANTLESS, {f"{caller.room_sid}\0{NAME}": 1}, xx=True)
            room = await rooms.get(caller.room_sid)
            return room is not None and room.state is State.DEAD

        await until(dead)
        await sync.sweep()
        await EndNotifier(rooms, settings.livekit, settings.call).sweep()

        async def told() -> bool:
            read = dict(caller.room.local_participant.attributes)
            return read == {"switchboard.state": "ended", "switchboard.reason": "unavailable"}

        await until(told)
    (letter,) = await rooms.list_dead_letters()
    assert (letter.sid, "'acme'" in letter.reason) == (caller.room_sid, True)
    await rooms.redis.delete(keys.TENANTLESS)


@pytest.mark.parametrize("ended_by", [EndedBy.AGENT, EndedBy.LIMIT])
async def test_a_caller_gets_no_second_call_after_the_agent_has_left(
    livekit: LiveKitServer, sync: LiveKitSync, dispatcher: Dispatcher, rooms: RoomStore, ended_by: EndedBy
) -> None:
    token = caller_token(livekit.api_key, livekit.api_secret, room=NAME, identity="caller")
    async with Caller.call(livekit.url, token) as caller:

        async def counted() -> bool:
            async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server_api:
                listed = await server_api.room.list_rooms(api.ListRoomsRequest())
            return [room.num_participants for room in listed.rooms] == [1]

        await until(counted)
        await dispatcher.open(RoomInfo(caller.room_sid, NAME))
        await call_in(rooms, caller, ended_by)
        await sync.sweep()
        room = await rooms.get(caller.room_sid)
    assert room is not None
    assert (room.state, room.attempt) == (State.ENDED, 1)
    assert await rooms.redis.llen("premium") == 0


async def test_a_caller_who_has_just_left_does_not_open_the_room(
    livekit: LiveKitServer, sync: LiveKitSync, rooms: RoomStore
) -> None:
    token = caller_token(livekit.api_key, livekit.api_secret, room=NAME, identity="caller")
    async with Caller.call(livekit.url, token) as caller:
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server_api:

            async def counted() -> bool:
                listed = await server_api.room.list_rooms(api.ListRoomsRequest(names=[NAME]))
                return listed.rooms[0].num_participants == 1

            await until(counted)
        sid = caller.room_sid
    # The server still counts the caller.
    await sync.sweep()
    assert await rooms.get(sid) is None


async def test_an_empty_room_is_not_opened(livekit: LiveKitServer, sync: LiveKitSync, rooms: RoomStore) -> None:
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server_api:
        made = await server_api.room.create_room(api.CreateRoomRequest(name=NAME))
    await sync.sweep()
    assert await rooms.get(made.sid) is None


async def test_an_unclaimed_room_that_the_server_does_not_have_is_closed(
    sync: LiveKitSync, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    await dispatcher.open(RoomInfo("RM_gone", NAME))
    await sync.sweep()
    await sync.sweep()
    room = await rooms.get("RM_gone")
    assert room is not None
    assert (room.state, room.reason) == (State.ENDED, "room missing")


async def test_nothing_is_closed_while_the_server_does_not_answer(
    livekit: LiveKitServer, sync: LiveKitSync, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    await dispatcher.open(RoomInfo("RM_1", NAME))
    await livekit.stop()
    await sync.sweep()
    room = await rooms.get("RM_1")
    assert room is not None
    assert room.state is State.QUEUED


async def test_a_server_that_accepts_a_request_and_does_not_answer_ends_the_sweep(
    livekit: LiveKitServer, settings: Settings, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    sync = LiveKitSync(rooms, dispatcher, settings.livekit, LiveKitSyncConfig(deadline_seconds=0.2), max_attempts=5)
    livekit.pause()
    try:
        async with asyncio.timeout(5):
            await sync.sweep()
    finally:
        livekit.resume()
