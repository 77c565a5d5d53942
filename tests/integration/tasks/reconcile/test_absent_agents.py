"""Running calls whose agent is not in its room, as the reconciler sees them from outside."""

from __future__ import annotations

import logging

import pytest
from livekit.protocol import models

from tasks.queue.dispatcher import Dispatcher
from tasks.reconcile.absent_agents import AbsentAgents, AbsentAgentsConfig, agent_identity
from tasks.reconcile.failures import Failures
from tasks.reconcile.livekit_sync import LiveKitSync
from tasks.rooms import LossCause, RenewResult, RoomStore, State
from tasks.settings import LivekitSettings
from tests.integration.tasks.reconcile.calls import MAX_ATTEMPTS, get, listed_room, open_room, run_call
from tests.support.fake_livekit_api import FakeLiveKitApi

SID = "RM_1"
ROOM = listed_room(SID)
CALLER = models.ParticipantInfo(identity="caller")
HIDDEN = models.ParticipantInfo(identity="boss", permission=models.ParticipantPermission(hidden=True))
# No agent of these tests comes back late.
AT_ONCE = AbsentAgentsConfig(absent_seconds=0)


def agent(sid: str = SID, attempt: int = 1) -> models.ParticipantInfo:
    return models.ParticipantInfo(identity=agent_identity(sid, attempt), kind=models.ParticipantInfo.Kind.AGENT)


def syncing(
    rooms: RoomStore, dispatcher: Dispatcher, livekit: LivekitSettings, config: AbsentAgentsConfig = AT_ONCE
) -> LiveKitSync:
    absent = AbsentAgents(rooms, MAX_ATTEMPTS, Failures(), config)
    return LiveKitSync(rooms, dispatcher, livekit, max_attempts=MAX_ATTEMPTS, absent=absent)


@pytest.fixture
def sync(
    rooms: RoomStore, dispatcher: Dispatcher, livekit_settings: LivekitSettings, server: FakeLiveKitApi
) -> LiveKitSync:
    server.list_rooms([ROOM])
    server.participants[ROOM.name] = [CALLER]
    return syncing(rooms, dispatcher, livekit_settings)


@pytest.fixture
async def _running(rooms: RoomStore, dispatcher: Dispatcher) -> None:
    await open_room(dispatcher, ROOM)
    await run_call(rooms, SID)


@pytest.mark.usefixtures("_running")
async def test_an_agent_that_two_looks_do_not_find_is_replaced_and_finds_itself_stale(
    rooms: RoomStore, sync: LiveKitSync
) -> None:
    assert await sync.sweep()  # the next one is to be soon
    assert (await get(rooms, SID)).state is State.RUNNING
    await sync.sweep()
    room = await get(rooms, SID)
    assert (room.state, room.attempt, room.handed_over) == (State.QUEUED, 2, False)
    assert room.reason == "a caller was in the room and its agent was not"
    assert await rooms.redis.llen("premium") >= 1
    assert await rooms.renew(SID, 1, claimant="a1") is RenewResult.LOST
    # The next one is on its way.
    await run_call(rooms, SID, attempt=2, joined=False)
    assert not await sync.sweep()
    assert not await sync.sweep()
    assert (await get(rooms, SID)).attempt == 2


@pytest.mark.usefixtures("_running")
async def test_a_caller_whom_the_server_has_not_counted_is_found_too(
    rooms: RoomStore, sync: LiveKitSync, server: FakeLiveKitApi
) -> None:
    server.list_rooms([listed_room(SID, people=0)])
    await sync.sweep()
    await sync.sweep()
    assert (await get(rooms, SID)).attempt == 2


@pytest.mark.usefixtures("_running")
async def test_an_agent_that_is_back_before_the_second_look_keeps_its_call(
    rooms: RoomStore, sync: LiveKitSync, server: FakeLiveKitApi
) -> None:
    for _ in range(3):
        server.participants[ROOM.name] = [CALLER]
        await sync.sweep()
        server.participants[ROOM.name] = [CALLER, agent()]
        await sync.sweep()
    assert (await get(rooms, SID)).attempt == 1


@pytest.mark.usefixtures("_running")
async def test_the_second_look_waits_for_lists_that_are_late(
    rooms: RoomStore, dispatcher: Dispatcher, livekit_settings: LivekitSettings, server: FakeLiveKitApi
) -> None:
    server.list_rooms([ROOM])
    server.participants[ROOM.name] = [CALLER]
    patient = syncing(rooms, dispatcher, livekit_settings, AbsentAgentsConfig(absent_seconds=60))
    for _ in range(4):
        await patient.sweep()
    assert (await get(rooms, SID)).attempt == 1


@pytest.mark.usefixtures("_running")
@pytest.mark.parametrize("people", [[], [HIDDEN], [agent(attempt=1), CALLER]])
async def test_nobody_is_replaced_in_a_room_without_a_caller_or_with_its_agent(
    rooms: RoomStore, sync: LiveKitSync, server: FakeLiveKitApi, people: list[models.ParticipantInfo]
) -> None:
    server.participants[ROOM.name] = people
    for _ in range(3):
        await sync.sweep()
    assert (await get(rooms, SID)).attempt == 1


async def test_an_agent_that_is_still_on_its_way_is_not_replaced(
    rooms: RoomStore, dispatcher: Dispatcher, sync: LiveKitSync
) -> None:
    await open_room(dispatcher, ROOM)
    await run_call(rooms, SID, joined=False)
    for _ in range(3):
        await sync.sweep()
    assert (await get(rooms, SID)).attempt == 1


@pytest.mark.usefixtures("_running")
async def test_the_agent_of_an_earlier_attempt_does_not_stand_for_that_of_a_call_that_was_handed_over(
    rooms: RoomStore, sync: LiveKitSync, server: FakeLiveKitApi
) -> None:
    await sync.sweep()
    await rooms.requeue(
        SID, 1, queue="premium", message=b"m", reason="", max_attempts=MAX_ATTEMPTS, cause=LossCause.HANDED_OVER
    )
    await run_call(rooms, SID, attempt=2)
    server.participants[ROOM.name] = [CALLER, agent(attempt=1)]
    await sync.sweep()  # the first look at this attempt
    assert (await get(rooms, SID)).attempt == 2
    await sync.sweep()
    assert (await get(rooms, SID)).attempt == 3


@pytest.mark.usefixtures("_running")
async def test_an_agent_that_its_own_node_knows_is_not_replaced_although_the_lists_have_lost_it(
    rooms: RoomStore, sync: LiveKitSync, server: FakeLiveKitApi
) -> None:
    server.connected.add(agent_identity(SID, 1))
    for _ in range(4):
        await sync.sweep()
    assert (await get(rooms, SID)).attempt == 1


@pytest.mark.usefixtures("_running")
@pytest.mark.parametrize("request_name", ["ListParticipants", "UpdateSubscriptions"])
async def test_an_answer_that_is_an_error_replaces_nobody(
    rooms: RoomStore, sync: LiveKitSync, server: FakeLiveKitApi, request_name: str
) -> None:
    server.refused[request_name] = "internal"
    for _ in range(4):
        await sync.sweep()
    assert (await get(rooms, SID)).attempt == 1


@pytest.mark.usefixtures("_running")
async def test_an_agent_that_leaves_again_and_again_uses_up_the_attempts_in_the_end(
    rooms: RoomStore, sync: LiveKitSync
) -> None:
    for attempt in range(1, 3 + MAX_ATTEMPTS):
        await sync.sweep()
        await sync.sweep()
        await sync.sweep()  # while it is queued
        await run_call(rooms, SID, attempt=attempt + 1)
    await sync.sweep()
    await sync.sweep()
    assert (await get(rooms, SID)).state is State.DEAD


async def test_the_looks_of_a_sweep_are_bounded_and_everyone_has_a_turn(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    livekit_settings: LivekitSettings,
    server: FakeLiveKitApi,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    config = AbsentAgentsConfig(doubtful=7, others=2, round_sweeps=5)
    doubtful = [listed_room(f"RM_silent{number}", publishers=1) for number in range(20)]
    others = [listed_room(f"RM_{number}", publishers=2) for number in range(20)]
    for room in doubtful + others:
        await open_room(dispatcher, room)
    await rooms.waitlist.set_limits({}, {}, None)
    for room in doubtful + others:
        await run_call(rooms, room.sid)
    for room in doubtful + others:
        server.participants[room.name] = [CALLER, agent(room.sid)]
    server.list_rooms(doubtful + others)
    sync = syncing(rooms, dispatcher, livekit_settings, config)
    for sweeps in range(1, 11):
        await sync.sweep()
        assert server.requests["ListParticipants"] == sweeps * (7 + 2)
    assert server.looked_at == {room.name for room in doubtful + others}
