"""Dispatch of rooms that are over. No LiveKit server is needed: the dispatcher gets what one would announce."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tasks.errors import UnknownTenantInName
from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.rooms import ClaimRefusal, CloseResult, OpenResult, Room, RoomStore, State
from tasks.settings import Settings
from tasks.settings.process import now_ms
from tests.support.rooms import open_some_room
from tests.support.tenants import declare

SID, NAME = "RM_1", "call-acme-1"
FAR_MS = 1 << 50
ACME = '[tenants.acme]\ntier = "premium"\n'
OF_ACME = '{"tenant_id": "acme"}'


@pytest.fixture
async def dispatcher(switchboard_env: dict[str, str], rooms: RoomStore) -> AsyncIterator[Dispatcher]:
    await declare(rooms.redis, ACME)
    made = Dispatcher.from_settings(Settings.read())
    yield made
    await made.aclose()


async def get(rooms: RoomStore) -> Room:
    room = await rooms.get(SID)
    assert room is not None
    return room


async def call(rooms: RoomStore, attempt: int) -> None:
    """Take the queued attempt, answer it and end it."""
    assert await task(rooms) == {"sid": SID, "attempt": attempt}
    claim = await rooms.claim(SID, attempt, claimant=str(attempt), worker="celery@one", pid=7)
    assert not isinstance(claim, ClaimRefusal)
    assert await rooms.end(SID, attempt, outcome="room empty")


async def task(rooms: RoomStore) -> dict[str, Any]:
    """The arguments of the only queued message."""
    (message,) = await rooms.redis.lrange("premium", 0, -1)
    await rooms.redis.delete("premium")
    _, arguments, _ = json.loads(base64.b64decode(json.loads(message)["body"]))
    found: dict[str, Any] = arguments
    return found


async def test_each_return_of_a_caller_queues_the_next_attempt(dispatcher: Dispatcher, rooms: RoomStore) -> None:
    assert await dispatcher.open(RoomInfo(SID, NAME)) is DispatchResult.QUEUED
    for attempt in (1, 2, 3):
        await call(rooms, attempt)
        assert await dispatcher.open(RoomInfo(SID, NAME)) is DispatchResult.KNOWN
        assert await dispatcher.open(RoomInfo(SID, NAME, joined_at_ms=FAR_MS)) is DispatchResult.QUEUED
        assert await dispatcher.open(RoomInfo(SID, NAME, joined_at_ms=FAR_MS)) is DispatchResult.KNOWN
    room = await get(rooms)
    assert (room.state, room.attempt, room.tenant) == (State.QUEUED, 4, "acme")


async def test_a_receiver_that_opens_the_room_in_between_is_not_overtaken(
    dispatcher: Dispatcher, rooms: RoomStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await dispatcher.open(RoomInfo(SID, NAME))
    await call(rooms, 1)
    answer = dispatcher._rooms.get

    async def get_slowly(sid: str) -> Room | None:
        known = await answer(sid)
        # Another receiver has opened the room, and its call has ended already.
        monkeypatch.setattr(dispatcher._rooms, "get", answer)
        assert await dispatcher.open(RoomInfo(SID, NAME, joined_at_ms=FAR_MS)) is DispatchResult.QUEUED
        await call(rooms, 2)
        return known

    monkeypatch.setattr(dispatcher._rooms, "get", get_slowly)
    assert await dispatcher.open(RoomInfo(SID, NAME, joined_at_ms=FAR_MS)) is DispatchResult.KNOWN
    assert (await get(rooms)).attempt == 2
    assert await rooms.redis.llen("premium") == 0


async def test_a_caller_who_joins_an_open_room_costs_no_request_to_livekit(
    dispatcher: Dispatcher, rooms: RoomStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def find(room: str) -> None:
        asked.append(room)

    monkeypatch.setattr(dispatcher._explicit, "find", find)
    await dispatcher.open(RoomInfo(SID, NAME))
    assert asked == [NAME]
    assert await dispatcher.open(RoomInfo(SID, NAME, joined_at_ms=FAR_MS)) is DispatchResult.KNOWN
    assert asked == [NAME]
    await call(rooms, 1)
    assert await dispatcher.open(RoomInfo(SID, NAME, joined_at_ms=FAR_MS)) is DispatchResult.QUEUED
    assert asked == [NAME, NAME]


async def test_a_room_is_received_before_livekit_is_asked_about_it(
    dispatcher: Dispatcher, rooms: RoomStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered_at_ms: list[int] = []

    async def find(room: str) -> None:
        del room
        await asyncio.sleep(0.02)
        answered_at_ms.append(now_ms())

    monkeypatch.setattr(dispatcher._explicit, "find", find)
    await dispatcher.open(RoomInfo(SID, NAME))
    assert (await get(rooms)).steps_ms["received"] < answered_at_ms[0]


async def test_a_dead_room_waits_for_a_replay(dispatcher: Dispatcher, rooms: RoomStore) -> None:
    await dispatcher.open(RoomInfo(SID, NAME))
    await task(rooms)
    await rooms.claim(SID, 1, claimant="a", worker="celery@one", pid=7)
    await rooms.dead_letter(SID, attempt=1, reason="no such provider")
    assert await dispatcher.open(RoomInfo(SID, NAME, joined_at_ms=FAR_MS)) is DispatchResult.KNOWN
    assert await dispatcher.replay(RoomInfo(SID, NAME)) is DispatchResult.QUEUED
    assert await dispatcher.replay(RoomInfo(SID, NAME)) is DispatchResult.KNOWN
    await call(rooms, 2)


async def test_a_room_without_a_tenant_is_replayed_when_there_is_one(dispatcher: Dispatcher, rooms: RoomStore) -> None:
    await declare(rooms.redis, "")
    assert await dispatcher.open(RoomInfo(SID, NAME, OF_ACME)) is DispatchResult.DEAD
    await declare(rooms.redis, ACME)
    assert await dispatcher.replay(RoomInfo(SID, NAME)) is DispatchResult.QUEUED
    await call(rooms, 1)


async def test_a_replay_that_changes_nothing_says_why_it_cannot(dispatcher: Dispatcher, rooms: RoomStore) -> None:
    await declare(rooms.redis, "")
    await dispatcher.open(RoomInfo(SID, NAME, OF_ACME))
    with pytest.raises(UnknownTenantInName, match="none of these tenants is declared: 'acme'"):
        await dispatcher.replay(RoomInfo(SID, NAME))
    assert (await get(rooms)).state is State.DEAD
    assert len(await rooms.list_dead_letters()) == 1


async def test_a_room_that_finished_while_its_caller_was_coming_back_stays_closed(
    dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    await dispatcher.open(RoomInfo(SID, NAME))
    await task(rooms)
    assert await dispatcher.close(SID) is CloseResult.CANCELLED
    assert await dispatcher.open(RoomInfo(SID, NAME, joined_at_ms=FAR_MS)) is DispatchResult.KNOWN
    assert await dispatcher.replay(RoomInfo(SID, NAME)) is DispatchResult.KNOWN


async def test_the_dispatcher_tries_again_where_the_room_is_stale(dispatcher: Dispatcher, rooms: RoomStore) -> None:
    await dispatcher.open(RoomInfo(SID, NAME))
    await call(rooms, 1)
    opened = await open_some_room(rooms, SID, name=NAME, message=b"of an attempt that was", ended_before_ms=FAR_MS)
    assert opened is OpenResult.STALE
    assert await dispatcher.open(RoomInfo(SID, NAME, joined_at_ms=FAR_MS)) is DispatchResult.QUEUED
