"""The reconciler beside a real LiveKit server that sends no webhooks, with real callers and agents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from livekit import api, rtc

from ops.caller.caller import Caller, caller_token
from ops.stack.livekit import LiveKitServer
from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.reconcile import Reconciler
from tasks.reconcile.absent_agents import AbsentAgents, AbsentAgentsConfig, agent_identity
from tasks.reconcile.failures import Failures
from tasks.reconcile.livekit_sync import LiveKitSync, LiveKitSyncConfig
from tasks.rooms import ClaimRefusal, EndedBy, RoomStore, State
from tasks.settings import Settings
from tests.integration.tasks.reconcile.calls import get, now_ms
from tests.support.waiting import until

NAME = "call-acme-1"
ENDED = {"switchboard.state": "ended", "switchboard.reason": "ended"}


@pytest.fixture
def settings(livekit_server_settings: Settings) -> Settings:
    return livekit_server_settings


@pytest.fixture
async def reconciling(settings: Settings, dispatcher: Dispatcher) -> AsyncIterator[None]:
    reconciler = Reconciler.from_settings(settings, dispatcher)
    running = asyncio.create_task(reconciler.run())
    yield
    reconciler.stop()
    await running
    await reconciler.aclose()


@dataclass(frozen=True)
class Call:
    """A running call with a caller; `agent` is the token of its agent."""

    sid: str
    caller: Caller
    agent: str


@pytest.fixture
async def call(livekit: LiveKitServer, dispatcher: Dispatcher, rooms: RoomStore) -> AsyncIterator[Call]:
    token = caller_token(livekit.api_key, livekit.api_secret, room=NAME, identity="caller")
    async with Caller.call(livekit.url, token) as caller:
        sid = caller.room_sid
        await dispatcher.open(RoomInfo(sid, NAME))
        assert not isinstance(await rooms.claim(sid, 1, claimant="a", worker="w", pid=7), ClaimRefusal)
        grants = api.VideoGrants(room_join=True, room=NAME, agent=True)
        agent = api.AccessToken(livekit.api_key, livekit.api_secret).with_identity(agent_identity(sid, 1))
        yield Call(sid, caller, agent.with_kind("agent").with_grants(grants).to_jwt())


@asynccontextmanager
async def joined(livekit: LiveKitServer, token: str) -> AsyncIterator[rtc.Room]:
    room = rtc.Room()
    await room.connect(livekit.url, token)
    try:
        yield room
    finally:
        await room.disconnect()


@pytest.mark.usefixtures("reconciling")
async def test_a_call_keeps_its_agent_while_it_is_in_the_room_and_has_another_one_seconds_after_it_has_gone(
    livekit: LiveKitServer, rooms: RoomStore, dispatcher: Dispatcher, settings: Settings, call: Call
) -> None:
    absent = AbsentAgents(rooms, 5, Failures(), AbsentAgentsConfig(absent_seconds=0))
    hasty = LiveKitSync(rooms, dispatcher, settings.livekit, max_attempts=5, absent=absent)

    async def replaced() -> bool:
        await rooms.renew(call.sid, 1)  # its host has lost the LiveKit server alone
        return (await get(rooms, call.sid)).attempt == 2

    async with joined(livekit, call.agent):
        await rooms.renew(call.sid, 1, steps={"joined": 50})
        # It publishes nothing, so each sweep has its doubts and looks.
        for _ in range(3):
            assert not await hasty.sweep()
            assert not await replaced()
    left = now_ms()
    await until(replaced, 30, every=0.2)
    room = await get(rooms, call.sid)
    assert (room.state, room.reason) == (State.QUEUED, "a caller was in the room and its agent was not")
    # Two looks 6 s apart, each at most a sweep late. A server that notices late adds its own time.
    assert room.steps_ms["lost"] - left < 20_000


@pytest.mark.usefixtures("reconciling")
async def test_the_caller_of_a_call_that_reached_its_limit_reads_it_and_has_seconds_before_the_room_is_deleted(
    rooms: RoomStore, call: Call
) -> None:
    gone: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    read: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    person = call.caller.room

    @person.on("participant_attributes_changed")
    def changed(_: dict[str, str], participant: rtc.Participant) -> None:
        if participant.attributes == ENDED and not read.done():
            read.set_result(now_ms())

    @person.on("disconnected")
    def disconnected(reason: object) -> None:
        if not gone.done():
            gone.set_result(reason)

    assert await rooms.end(call.sid, 1, outcome="maximum length", ended_by=EndedBy.LIMIT)
    read_ms = await asyncio.wait_for(read, 15)
    assert await asyncio.wait_for(gone, 15) == rtc.DisconnectReason.ROOM_DELETED
    assert now_ms() - read_ms > 2500


@pytest.mark.usefixtures("reconciling")
async def test_a_room_whose_backend_sets_the_metadata_after_the_join_is_answered(
    livekit: LiveKitServer, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    name = "support"
    token = caller_token(livekit.api_key, livekit.api_secret, room=name, identity="caller")
    async with (
        Caller.call(livekit.url, token) as caller,
        api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server,
    ):
        sid = caller.room_sid
        assert await dispatcher.open(RoomInfo(sid, name)) is DispatchResult.NO_TENANT_YET
        metadata = '{"tenant_id": "acme"}'
        await server.room.update_room_metadata(api.UpdateRoomMetadataRequest(room=name, metadata=metadata))

        async def opened() -> bool:
            return await rooms.get(sid) is not None

        await until(opened, 10)
        room = await get(rooms, sid)
    assert (room.state, room.tenant) == (State.QUEUED, "acme")


async def test_a_hidden_supervisor_alone_in_a_room_is_nobody_to_answer(
    livekit: LiveKitServer, dispatcher: Dispatcher, rooms: RoomStore, settings: Settings, call: Call
) -> None:
    grants = api.VideoGrants(room_join=True, room=NAME, hidden=True)
    boss = api.AccessToken(livekit.api_key, livekit.api_secret).with_identity("boss").with_grants(grants)
    async with joined(livekit, boss.to_jwt()):
        assert await rooms.end(call.sid, 1, outcome="room empty", ended_by=EndedBy.CALLERS)
        await call.caller.room.disconnect()
        await rooms.redis.hset(f"switchboard:room:{call.sid}", "at:ended", str(now_ms() - 60_000))
        sync = LiveKitSync(rooms, dispatcher, settings.livekit, LiveKitSyncConfig(announced_ms=-60_000), max_attempts=5)
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:

            async def alone() -> bool:
                listed = await server.room.list_participants(api.ListParticipantsRequest(room=NAME))
                return [person.identity for person in listed.participants] == ["boss"]

            await until(alone)
        for _ in range(2):
            await sync.sweep()
        assert (await get(rooms, call.sid)).state is State.ENDED
