"""Rooms whose webhooks were lost, on a real LiveKit server that sends none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from livekit import api

from ops.caller.access import caller_token
from ops.caller.caller import Caller
from ops.stack import Binaries
from ops.stack.livekit import LiveKitServer
from tasks.queue.dispatcher import Dispatcher, RoomSeen
from tasks.reconcile import livekit_sync
from tasks.reconcile.livekit_sync import sweep_server
from tasks.rooms import Refusal, RoomStore, State
from tasks.settings import Settings
from tests.support.livekit_server import quiet_livekit
from tests.support.tenants import declare
from tests.support.waiting import until

NAME = "call-acme-1"


@pytest.fixture
async def livekit(binaries: Binaries, tmp_path: Path) -> AsyncIterator[LiveKitServer]:
    async with quiet_livekit(binaries, tmp_path) as running:
        yield running


@pytest.fixture
async def settings(
    livekit: LiveKitServer, switchboard_env: dict[str, str], rooms: RoomStore, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    await declare(rooms.redis, '[tenants.acme]\ntier = "premium"\n')
    monkeypatch.setenv("LIVEKIT_URL", livekit.url)
    monkeypatch.setenv("LIVEKIT_API_KEY", livekit.api_key)
    monkeypatch.setenv("LIVEKIT_API_SECRET", livekit.api_secret)
    # No webhook is on the way here, and nothing is opened while the server answers.
    monkeypatch.setattr(livekit_sync, "ANNOUNCED_MS", -60_000)
    monkeypatch.setattr(livekit_sync, "LISTED_MS", -60_000)
    return Settings.read()


@pytest.fixture
async def dispatcher(settings: Settings) -> AsyncIterator[Dispatcher]:
    made = Dispatcher.from_settings(settings)
    yield made
    await made.aclose()


async def test_a_room_with_a_caller_that_was_never_announced_is_opened_once(
    livekit: LiveKitServer, settings: Settings, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    token = caller_token(livekit.api_key, livekit.api_secret, room=NAME, identity="caller")
    async with Caller.call(livekit.url, token) as caller:

        async def opened() -> bool:
            # The server counts participants a moment after they have come.
            await sweep_server(settings, rooms, dispatcher)
            return await rooms.get(caller.room_sid) is not None

        await until(opened)
        await sweep_server(settings, rooms, dispatcher)
        room = await rooms.get(caller.room_sid)
    assert room is not None
    assert (room.state, room.tenant, room.name) == (State.QUEUED, "acme", NAME)
    assert await rooms.redis.llen("premium") == 1


async def call_in(rooms: RoomStore, caller: Caller, outcome: str) -> None:
    """The room's call was answered, and has ended."""
    await rooms.redis.delete("premium")
    claim = await rooms.claim(caller.room_sid, 1, claimant="a", worker="celery@one", pid=7)
    assert not isinstance(claim, Refusal)
    assert await rooms.end(caller.room_sid, 1, outcome=outcome, usage="[]")


@pytest.mark.parametrize("outcome", sorted(livekit_sync.ALONE))
async def test_a_room_that_was_left_alone_is_opened_again_when_somebody_is_in_it(
    livekit: LiveKitServer, settings: Settings, dispatcher: Dispatcher, rooms: RoomStore, outcome: str
) -> None:
    token = caller_token(livekit.api_key, livekit.api_secret, room=NAME, identity="caller")
    async with Caller.call(livekit.url, token) as caller:
        await dispatcher.open(RoomSeen(caller.room_sid, NAME))
        await call_in(rooms, caller, outcome)

        async def opened_again() -> bool:
            await sweep_server(settings, rooms, dispatcher)
            room = await rooms.get(caller.room_sid)
            return room is not None and room.state is State.QUEUED

        await until(opened_again)
        await sweep_server(settings, rooms, dispatcher)
        room = await rooms.get(caller.room_sid)
    assert room is not None
    assert room.attempt == 2
    assert await rooms.redis.llen("premium") == 1


async def test_a_caller_whom_an_agent_has_left_is_not_called_back(
    livekit: LiveKitServer, settings: Settings, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    token = caller_token(livekit.api_key, livekit.api_secret, room=NAME, identity="caller")
    async with Caller.call(livekit.url, token) as caller:

        async def counted() -> bool:
            async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server_api:
                listed = await server_api.room.list_rooms(api.ListRoomsRequest())
            return [room.num_participants for room in listed.rooms] == [1]

        await until(counted)
        await dispatcher.open(RoomSeen(caller.room_sid, NAME))
        await call_in(rooms, caller, "ended by the agent or the room")
        await sweep_server(settings, rooms, dispatcher)
        room = await rooms.get(caller.room_sid)
    assert room is not None
    assert (room.state, room.attempt) == (State.ENDED, 1)
    assert await rooms.redis.llen("premium") == 0


async def test_a_caller_who_has_just_left_is_not_taken_for_one_who_has_come_back(
    livekit: LiveKitServer, settings: Settings, dispatcher: Dispatcher, rooms: RoomStore
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
    await sweep_server(settings, rooms, dispatcher)
    assert await rooms.get(sid) is None


async def test_an_empty_room_is_left_to_whoever_comes(
    livekit: LiveKitServer, settings: Settings, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server_api:
        made = await server_api.room.create_room(api.CreateRoomRequest(name=NAME))
    await sweep_server(settings, rooms, dispatcher)
    assert await rooms.get(made.sid) is None


async def test_a_call_whose_room_is_gone_is_cancelled(
    settings: Settings, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    await dispatcher.open(RoomSeen("RM_gone", NAME))
    await sweep_server(settings, rooms, dispatcher)
    room = await rooms.get("RM_gone")
    assert room is not None
    assert room.state is State.CANCELLED


async def test_nothing_is_closed_while_the_server_does_not_answer(
    livekit: LiveKitServer, settings: Settings, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    await dispatcher.open(RoomSeen("RM_1", NAME))
    await livekit.stop()
    await sweep_server(settings, rooms, dispatcher)
    room = await rooms.get("RM_1")
    assert room is not None
    assert room.state is State.QUEUED


async def test_a_server_that_takes_a_question_and_does_not_answer_ends_the_sweep(
    livekit: LiveKitServer,
    settings: Settings,
    dispatcher: Dispatcher,
    rooms: RoomStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(livekit_sync, "ANSWER_SECONDS", 0.2)
    livekit.pause()
    try:
        async with asyncio.timeout(5):
            await sweep_server(settings, rooms, dispatcher)
    finally:
        livekit.resume()
