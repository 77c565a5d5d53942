"""Callers whose call was ended by a limit of ours, or could not be answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from livekit.protocol import models

from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.reconcile.end_notifier import EndNotifier
from tasks.rooms import CallOperations, EndedBy, Room, RoomStore, keys
from tasks.settings import AfterLimit, LivekitSettings, Settings
from tests.integration.tasks.reconcile.calls import listed_room, now_ms, open_room, run_call
from tests.support.fake_livekit_api import FakeLiveKitApi

SID = "RM_1"
ROOM = listed_room(SID)
NAME = ROOM.name
NotifierOf = Callable[..., EndNotifier]


@pytest.fixture
def notifier_of(rooms: RoomStore, livekit_settings: LivekitSettings, settings: Settings) -> NotifierOf:
    def make(*, notice_seconds: float = 0, after: AfterLimit = AfterLimit.DELETE) -> EndNotifier:
        calls = settings.call.model_copy(update={"notice_seconds": notice_seconds, "after_limit": after})
        return EndNotifier(rooms, livekit_settings, calls)

    return make


@pytest.fixture
def caller(server: FakeLiveKitApi) -> models.ParticipantInfo:
    """A caller in the room, which the server lists."""
    participant = models.ParticipantInfo(identity="caller")
    server.list_rooms([ROOM])
    server.participants[NAME] = [participant]
    return participant


def read(participant: models.ParticipantInfo) -> tuple[str, str]:
    attributes = participant.attributes
    return attributes.get("switchboard.state", ""), attributes.get("switchboard.reason", "")


async def reach_the_limit(rooms: RoomStore, dispatcher: Dispatcher, ended_by: EndedBy = EndedBy.LIMIT) -> Room:
    await open_room(dispatcher, ROOM)
    room = await run_call(rooms, SID)
    assert await rooms.end(SID, 1, outcome="maximum length", ended_by=ended_by)
    return room


async def waits_too_long(rooms: RoomStore, dispatcher: Dispatcher) -> None:
    await open_room(dispatcher, ROOM)
    await rooms.waitlist.expire_waits("premium", -1, reason="nobody could answer it within 30 s", limit=10)


async def is_dead_at_once(_: RoomStore, dispatcher: Dispatcher) -> None:
    assert await dispatcher.open(RoomInfo(SID, NAME, '{"tenant_id": "nobody"}')) is DispatchResult.DEAD


async def is_a_dead_letter_of_its_attempt(rooms: RoomStore, dispatcher: Dispatcher) -> None:
    await open_room(dispatcher, ROOM)
    await run_call(rooms, SID)
    assert await rooms.dead_letter(SID, attempt=1, reason="No module named 'acme_agents.secret'")


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (reach_the_limit, "ended"),
        (waits_too_long, "busy"),
        (is_dead_at_once, "unavailable"),
        (is_a_dead_letter_of_its_attempt, "unavailable"),
    ],
)
async def test_callers_read_a_public_reason_and_then_their_room_is_deleted(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    notifier_of: NotifierOf,
    caller: models.ParticipantInfo,
    end: Callable[[RoomStore, Dispatcher], Awaitable[object]],
    reason: str,
) -> None:
    await end(rooms, dispatcher)
    notifier = notifier_of()
    await notifier.sweep()
    assert (read(caller), server.deleted) == (("ended", reason), [])
    await notifier.sweep()
    assert server.deleted == [NAME]
    await notifier.sweep()
    assert server.deleted == [NAME]
    assert await rooms.waitlist.to_notify(10) == {}


async def test_a_call_that_ends_while_its_callers_read_of_the_answer_is_not_forgotten(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    notifier_of: NotifierOf,
    caller: models.ParticipantInfo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await open_room(dispatcher, ROOM)
    await rooms.waitlist.mark_notified([SID])
    await run_call(rooms, SID)
    look = rooms.get

    async def look_and_then_it_fails(sid: str) -> Room | None:
        room = await look(sid)
        await rooms.dead_letter(SID, attempt=1, reason="no such provider")
        return room

    monkeypatch.setattr(rooms, "get", look_and_then_it_fails)
    notifier = notifier_of()
    await notifier.sweep()
    assert read(caller) == ("running", "")
    monkeypatch.setattr(rooms, "get", look)
    await notifier.sweep()
    assert read(caller) == ("ended", "unavailable")


async def test_they_have_some_seconds_and_who_joins_meanwhile_reads_it_too(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    notifier_of: NotifierOf,
    caller: models.ParticipantInfo,
) -> None:
    await reach_the_limit(rooms, dispatcher)
    notifier = notifier_of(notice_seconds=60)
    await notifier.sweep()
    late = models.ParticipantInfo(identity="late")
    server.participants[NAME].append(late)
    await notifier.sweep()
    assert (read(caller), read(late), server.deleted) == (("ended", "ended"), ("ended", "ended"), [])


async def test_a_caller_who_has_joined_since_the_last_sweep_reads_it_before_the_room_is_deleted(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    notifier_of: NotifierOf,
    caller: models.ParticipantInfo,
) -> None:
    await reach_the_limit(rooms, dispatcher)
    notifier = notifier_of()
    await notifier.sweep()
    again = models.ParticipantInfo(identity="caller")
    server.participants[NAME] = [again]
    await notifier.sweep()
    assert (read(again), server.deleted) == (("ended", "ended"), [])
    await notifier.sweep()
    assert server.deleted == [NAME]


async def test_a_room_may_be_left_and_who_joins_it_later_is_told_too(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    notifier_of: NotifierOf,
    caller: models.ParticipantInfo,
) -> None:
    await reach_the_limit(rooms, dispatcher)
    notifier = notifier_of(after=AfterLimit.LEAVE)
    await notifier.sweep()
    await notifier.sweep()
    assert (read(caller), server.deleted, await rooms.waitlist.to_notify(10)) == (("ended", "ended"), [], {})
    late = models.ParticipantInfo(identity="late")
    server.participants[NAME].append(late)
    assert await dispatcher.open(RoomInfo(SID, NAME, joined_at_ms=now_ms())) is DispatchResult.KNOWN
    await notifier.sweep()
    assert (read(late), server.deleted) == (("ended", "ended"), [])


async def test_a_room_that_an_operator_has_ended_is_deleted_also_where_others_are_left(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    notifier_of: NotifierOf,
    caller: models.ParticipantInfo,
) -> None:
    await open_room(dispatcher, ROOM)
    await CallOperations(rooms.redis).end(SID)
    notifier = notifier_of(after=AfterLimit.LEAVE)
    await notifier.sweep()
    await notifier.sweep()
    assert (read(caller), server.deleted) == (("ended", "ended"), [NAME])


async def test_a_room_without_callers_is_not_deleted_until_one_has_come_and_read_why(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    notifier_of: NotifierOf,
    caller: models.ParticipantInfo,
) -> None:
    unknown = RoomInfo(SID, NAME, '{"tenant_id": "nobody"}', joined_at_ms=now_ms())
    await dispatcher.open(unknown)
    server.participants[NAME] = []
    notifier = notifier_of()
    await notifier.sweep()
    await notifier.sweep()
    assert server.deleted == []
    server.participants[NAME] = [caller]
    assert await dispatcher.open(unknown) is DispatchResult.KNOWN
    await notifier.sweep()
    await notifier.sweep()
    assert (read(caller), server.deleted) == (("ended", "unavailable"), [NAME])


async def test_a_room_that_its_agent_has_ended_belongs_to_the_people_in_it(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    notifier_of: NotifierOf,
    caller: models.ParticipantInfo,
) -> None:
    await reach_the_limit(rooms, dispatcher, EndedBy.AGENT)
    await rooms.redis.zadd(keys.NOTIFY, {SID: 1})
    notifier = notifier_of()
    await notifier.sweep()
    await notifier.sweep()
    assert (read(caller), server.deleted, await rooms.waitlist.to_notify(10)) == (("", ""), [], {})


async def test_a_room_that_was_opened_again_meanwhile_or_whose_name_is_anothers_is_not_deleted(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    notifier_of: NotifierOf,
    caller: models.ParticipantInfo,
) -> None:
    await is_dead_at_once(rooms, dispatcher)
    notifier = notifier_of()
    await notifier.sweep()
    assert read(caller) == ("ended", "unavailable")
    await open_room(dispatcher, ROOM)  # the metadata names a tenant by now
    await notifier.sweep()
    assert (server.deleted, await rooms.waitlist.to_notify(10)) == ([], {})

    await run_call(rooms, SID)
    await rooms.end(SID, 1, outcome="maximum length", ended_by=EndedBy.LIMIT)
    await notifier.sweep()
    server.list_rooms([listed_room("RM_2", NAME)])
    await notifier.sweep()
    assert (server.deleted, await rooms.waitlist.to_notify(10)) == ([], {})


@pytest.mark.parametrize("request_name", ["ListParticipants", "DeleteRoom", "ListRooms by name"])
async def test_a_room_about_which_the_server_answers_with_errors_is_given_up_and_keeps_no_other_waiting(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    notifier_of: NotifierOf,
    caller: models.ParticipantInfo,
    request_name: str,
) -> None:
    del caller
    await reach_the_limit(rooms, dispatcher)
    server.refused[request_name] = "internal"
    notifier = notifier_of()
    for _ in range(10):
        await notifier.sweep()
    assert await rooms.waitlist.to_notify(10) == {}


async def test_one_caller_whose_attributes_are_refused_and_one_room_that_is_unreadable_keep_nobody_from_reading(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    server: FakeLiveKitApi,
    notifier_of: NotifierOf,
    caller: models.ParticipantInfo,
) -> None:
    await reach_the_limit(rooms, dispatcher)
    await rooms.redis.zadd(keys.NOTIFY, {"RM_odd": 1})
    await rooms.redis.hset(keys.room("RM_odd"), mapping={"sid": "RM_odd", "state": "no such state"})
    await rooms.redis.expire(keys.room("RM_odd"), 60)
    odd = models.ParticipantInfo(identity="odd")
    server.participants[NAME].insert(0, odd)
    server.refused_identities.add("odd")
    notifier = notifier_of()
    await notifier.sweep()
    assert (read(odd), read(caller)) == (("", ""), ("ended", "ended"))
    for _ in range(5):
        await notifier.sweep()
    assert (server.deleted, await rooms.waitlist.to_notify(10)) == ([NAME], {})
