"""Callers who come back into a room that is over and that no tenant answers by then."""

from __future__ import annotations

import logging

import pytest
from livekit.protocol import models

from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.reconcile.end_notifier import EndNotifier
from tasks.reconcile.livekit_sync import LiveKitSync
from tasks.reconcile.tenantless_rooms import TenantlessRooms
from tasks.rooms import EndedBy, RoomStore, State, keys
from tasks.settings import LivekitSettings, Settings
from tests.integration.tasks.reconcile.calls import get, listed_room, now_ms, run_call
from tests.support.fake_livekit_api import FakeLiveKitApi
from tests.support.tenants import declare

SID, NAME = "RM_1", "a room of its backend"
ACME, GONE = '{"tenant_id": "acme"}', '{"tenant_id": "gone"}'
BOTH = '[tenants.acme]\ntier = "premium"\n[tenants.gone]\ntier = "premium"\n'
ONLY_ACME = '[tenants.acme]\ntier = "premium"\n'
REFUSED = "room cannot be answered"


@pytest.fixture
def caller(server: FakeLiveKitApi) -> models.ParticipantInfo:
    """The caller who has come back."""
    participant = models.ParticipantInfo(identity="caller")
    server.participants[NAME] = [participant]
    return participant


@pytest.fixture
def notifier(rooms: RoomStore, livekit_settings: LivekitSettings, settings: Settings) -> EndNotifier:
    return EndNotifier(rooms, livekit_settings, settings.call)


@pytest.fixture
def tenantless(
    rooms: RoomStore, dispatcher: Dispatcher, livekit_settings: LivekitSettings, settings: Settings
) -> TenantlessRooms:
    return TenantlessRooms(rooms, dispatcher, livekit_settings, settings.tenants)


async def answer_once(rooms: RoomStore, dispatcher: Dispatcher, ended_by: EndedBy = EndedBy.CALLERS) -> None:
    """Answer and end a call of the tenant that will be gone, a minute ago. Redis' clock cannot be set."""
    await declare(rooms.redis, BOTH)
    assert await dispatcher.open(RoomInfo(SID, NAME, GONE)) is DispatchResult.QUEUED
    await run_call(rooms, SID)
    assert await rooms.end(SID, 1, outcome="room empty", ended_by=ended_by)
    await rooms.redis.hset(keys.room(SID), "at:ended", str(now_ms() - 60_000))
    await rooms.redis.delete("premium")
    await declare(rooms.redis, ONLY_ACME)


def back(metadata: str = GONE) -> RoomInfo:
    return RoomInfo(SID, NAME, metadata, joined_at_ms=now_ms())


def refusals(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.message == REFUSED for record in caplog.records)


def read(participant: models.ParticipantInfo) -> tuple[str, str]:
    return participant.attributes["switchboard.state"], participant.attributes["switchboard.reason"]


async def test_a_caller_whose_tenant_is_gone_reads_why_and_one_dead_letter_says_so(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    notifier: EndNotifier,
    caller: models.ParticipantInfo,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await answer_once(rooms, dispatcher)
    server.list_rooms([listed_room(SID, NAME, metadata=GONE)])
    with caplog.at_level(logging.WARNING):
        assert await dispatcher.open(back()) is DispatchResult.DEAD
        assert await dispatcher.open(back()) is DispatchResult.KNOWN
    await notifier.sweep()
    assert read(caller) == ("ended", "unavailable")
    (letter,) = await rooms.list_dead_letters()
    assert (letter.sid, letter.name, "'gone'" in letter.reason) == (SID, NAME, True)
    assert refusals(caplog) == 1


async def test_a_caller_whose_webhook_was_lost_is_found_by_the_sync_which_logs_it_once(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    sync: LiveKitSync,
    notifier: EndNotifier,
    caller: models.ParticipantInfo,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await answer_once(rooms, dispatcher)
    server.list_rooms([listed_room(SID, NAME, metadata=GONE)])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await sync.sweep()
    await notifier.sweep()
    assert read(caller) == ("ended", "unavailable")
    assert len(await rooms.list_dead_letters()) == 1
    opened = "participant_joined webhook was lost; opening the room again"
    logged = [record.message for record in caplog.records if record.message in {REFUSED, opened}]
    assert logged == [REFUSED, opened]


async def test_a_caller_whose_room_names_no_tenant_by_now_waits_for_one_and_then_reads_why(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    tenantless: TenantlessRooms,
    notifier: EndNotifier,
    caller: models.ParticipantInfo,
) -> None:
    await answer_once(rooms, dispatcher)
    server.list_rooms([listed_room(SID, NAME)])
    assert await dispatcher.open(back("")) is DispatchResult.NO_TENANT_YET
    await rooms.redis.zadd(keys.TENANTLESS, {f"{SID}\0{NAME}": now_ms() - 30_000})
    await tenantless.sweep()
    await notifier.sweep()
    assert read(caller) == ("ended", "unavailable")
    (letter,) = await rooms.list_dead_letters()
    assert "names no tenant" in letter.reason
    assert await rooms.waitlist.list_tenantless(10) == []


async def test_a_caller_whose_room_names_another_tenant_a_moment_later_is_answered_by_the_next_attempt(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    tenantless: TenantlessRooms,
    caller: models.ParticipantInfo,
) -> None:
    await answer_once(rooms, dispatcher)
    assert await dispatcher.open(back("")) is DispatchResult.NO_TENANT_YET
    server.list_rooms([listed_room(SID, NAME, metadata=ACME)])
    await tenantless.sweep()
    room = await get(rooms, SID)
    assert (room.state, room.tenant, room.attempt) == (State.QUEUED, "acme", 2)
    assert await rooms.list_dead_letters() == []


async def test_when_the_tenant_is_declared_again_the_next_caller_is_answered(
    rooms: RoomStore, dispatcher: Dispatcher
) -> None:
    await answer_once(rooms, dispatcher)
    assert await dispatcher.open(back()) is DispatchResult.DEAD
    await declare(rooms.redis, BOTH)
    assert await dispatcher.open(back()) is DispatchResult.QUEUED
    room = await get(rooms, SID)
    assert (room.state, room.tenant, room.attempt) == (State.QUEUED, "gone", 2)
    await run_call(rooms, SID, attempt=2)


@pytest.mark.parametrize("ended_by", [EndedBy.LIMIT, EndedBy.OPERATOR])
async def test_what_a_limit_or_an_operator_has_ended_is_said_again_without_a_tenant_too(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    notifier: EndNotifier,
    caller: models.ParticipantInfo,
    ended_by: EndedBy,
) -> None:
    await answer_once(rooms, dispatcher, ended_by)
    server.list_rooms([listed_room(SID, NAME, metadata=GONE)])
    for sid, since_ms in (await rooms.waitlist.to_notify(10)).items():
        await rooms.waitlist.notified(sid, since_ms)
    assert await dispatcher.open(back()) is DispatchResult.KNOWN
    await notifier.sweep()
    assert read(caller) == ("ended", "ended")
    assert await rooms.list_dead_letters() == []


async def test_a_room_that_its_agent_has_ended_belongs_to_the_people_in_it(
    rooms: RoomStore, dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    await answer_once(rooms, dispatcher, EndedBy.AGENT)
    for metadata in (GONE, ""):
        assert await dispatcher.open(back(metadata)) is DispatchResult.KNOWN
    assert (await get(rooms, SID)).ended_by == EndedBy.AGENT
    assert await rooms.waitlist.to_notify(10) == {}
    assert await rooms.list_dead_letters() == []
    assert refusals(caplog) == 0


async def test_a_room_that_is_only_announced_again_stays_as_it_ended(rooms: RoomStore, dispatcher: Dispatcher) -> None:
    await answer_once(rooms, dispatcher)
    assert await dispatcher.open(RoomInfo(SID, NAME, GONE)) is DispatchResult.KNOWN
    assert (await get(rooms, SID)).state is State.ENDED
    assert await rooms.list_dead_letters() == []


async def test_a_dead_letter_of_a_second_call_has_a_record_of_its_own(rooms: RoomStore, dispatcher: Dispatcher) -> None:
    await answer_once(rooms, dispatcher)
    await dispatcher.open(back())
    refused, answered = await rooms.list_call_records()
    assert (answered.state, refused.state) == ("ended", "dead")
    assert "claimed" not in refused.steps_ms
    assert answered.steps_ms["ended"] != refused.steps_ms["ended"]
