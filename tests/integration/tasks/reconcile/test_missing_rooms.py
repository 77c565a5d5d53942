"""Rooms that are open in Redis and missing in the LiveKit server's list, which may be wrong."""

from __future__ import annotations

import logging

import pytest

from tasks.queue.dispatcher import Dispatcher
from tasks.reconcile.livekit_sync import LiveKitSync
from tasks.rooms import RenewResult, RoomStore, State
from tests.integration.tasks.reconcile.calls import backdate, get, listed_room, open_room, run_call
from tests.support.fake_livekit_api import FakeLiveKitApi

SID = "RM_1"
MANY = [f"RM_{number}" for number in range(40)]


async def test_no_running_call_is_ended_by_an_empty_list_be_it_one_or_forty(
    rooms: RoomStore, dispatcher: Dispatcher, sync: LiveKitSync
) -> None:
    for number, sid in enumerate(MANY):
        await open_room(dispatcher, listed_room(sid))
        await run_call(rooms, sid)
        if number in {0, len(MANY) - 1}:
            await backdate(rooms)
            for _ in range(3):
                await sync.sweep()
    renewed = {await rooms.renew(sid, 1) for sid in MANY}
    assert renewed == {RenewResult.RENEWED}


async def test_an_unclaimed_room_is_closed_when_two_lists_lack_it_and_the_one_by_its_name_too(
    rooms: RoomStore, dispatcher: Dispatcher, sync: LiveKitSync, server: FakeLiveKitApi
) -> None:
    await open_room(dispatcher, listed_room(SID))
    for _ in range(2):
        await sync.sweep()
        assert (await get(rooms, SID)).state is State.QUEUED  # it is newer than the list may be
    await backdate(rooms)
    await sync.sweep()
    assert (await get(rooms, SID)).state is State.QUEUED  # missing for the first time
    server.list_rooms([listed_room(SID, people=0)])
    await sync.sweep()
    server.list_rooms([])
    await sync.sweep()
    assert (await get(rooms, SID)).state is State.QUEUED  # it was back in between
    await sync.sweep()
    assert (await get(rooms, SID)).state is State.ENDED


async def test_an_unclaimed_room_that_only_the_list_of_all_lacks_is_left_open(
    rooms: RoomStore, dispatcher: Dispatcher, sync: LiveKitSync, server: FakeLiveKitApi
) -> None:
    await open_room(dispatcher, listed_room(SID))
    await backdate(rooms)
    server.list_rooms([listed_room(SID)])
    server.hide_from_list(SID)
    for _ in range(3):
        await sync.sweep()
    assert (await get(rooms, SID)).state is State.QUEUED
    # Another room has the name by now.
    server.list_rooms([listed_room("RM_2", name=f"call-acme-{SID}", people=0)])
    await sync.sweep()
    await sync.sweep()
    assert (await get(rooms, SID)).state is State.ENDED


async def test_nothing_is_closed_while_the_list_by_name_fails(
    rooms: RoomStore, dispatcher: Dispatcher, sync: LiveKitSync, server: FakeLiveKitApi
) -> None:
    await open_room(dispatcher, listed_room(SID))
    await backdate(rooms)
    await sync.sweep()
    server.refused["ListRooms by name"] = "internal"
    await sync.sweep()
    assert (await get(rooms, SID)).state is State.QUEUED
    server.refused.clear()
    await sync.sweep()
    assert (await get(rooms, SID)).state is State.ENDED


async def test_many_missing_rooms_at_once_are_an_alarm_and_none_is_closed_until_the_list_is_plausible_again(
    rooms: RoomStore,
    dispatcher: Dispatcher,
    sync: LiveKitSync,
    server: FakeLiveKitApi,
    caplog: pytest.LogCaptureFixture,
) -> None:
    waiting = [listed_room(sid, people=0) for sid in MANY[:12]]
    for room in waiting:
        await open_room(dispatcher, room)
    await backdate(rooms)
    with caplog.at_level(logging.INFO, "switchboard.tasks.reconcile"):
        # Empty; shortened to a half; those of another server.
        for wrong in ([], waiting[:6], [listed_room("RM_other", people=0)]):
            server.list_rooms(wrong)
            for _ in range(3):
                await sync.sweep()
        assert len(await rooms.opened_ms()) == len(waiting)
        server.list_rooms(waiting[:9])
        await sync.sweep()
        await sync.sweep()
    assert len(await rooms.opened_ms()) == 9
    said = [record.message for record in caplog.records if "lists" in record.message]
    assert said == [
        "the LiveKit server lists few of the open rooms; none is closed. Check LIVEKIT_URL",
        "the LiveKit server lists the open rooms again",
    ]


async def test_a_room_that_another_server_made_us_close_is_opened_again_when_its_own_lists_it(
    rooms: RoomStore, dispatcher: Dispatcher, sync: LiveKitSync, server: FakeLiveKitApi
) -> None:
    await open_room(dispatcher, listed_room(SID))
    await backdate(rooms)
    await sync.sweep()
    await sync.sweep()
    room = await get(rooms, SID)
    assert room.state is State.ENDED
    await rooms.redis.hset(f"switchboard:room:{SID}", "at:ended", str(room.steps_ms["ended"] - 10_000))
    server.list_rooms([listed_room(SID)])
    await sync.sweep()
    room = await get(rooms, SID)
    assert (room.state, room.attempt) == (State.QUEUED, 2)
