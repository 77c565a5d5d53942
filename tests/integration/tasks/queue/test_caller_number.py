"""The caller's number: from metadata or from the SIP server into the room and its records, and into nothing else."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.rooms import LossCause, RoomStore, keys
from tasks.settings import Settings
from tests.support.tenants import declare

SID, NAME, CALLER = "RM_1", "call-acme-1", "+4930123456"


@pytest.fixture
async def dispatcher(switchboard_env: dict[str, str], rooms: RoomStore) -> AsyncIterator[Dispatcher]:
    await declare(rooms.redis, '[tenants.acme]\ntier = "premium"\nmax_waiting = 0\nmax_calls = 1\n')
    made = Dispatcher.from_settings(Settings.read())
    yield made
    await made.aclose()


def with_number(number: object, sid: str = SID) -> RoomInfo:
    return RoomInfo(sid, NAME, json.dumps({"tenant_id": "acme", "caller_number": number}))


def joined(number: str, sid: str = SID) -> RoomInfo:
    return RoomInfo(sid, NAME, joined_at_ms=int(time.time() * 1000), caller_number=number)


async def number_of(rooms: RoomStore, sid: str = SID) -> str | None:
    client: Any = rooms.redis
    found: str | None = await client.hget(keys.room(sid), "number")
    return found


async def recorded(rooms: RoomStore) -> list[tuple[str, str | None]]:
    client: Any = rooms.redis
    return [(fields["kind"], fields.get("number")) for _, fields in await client.xrange(keys.CALLS)]


async def test_the_number_in_the_metadata_is_in_each_record_of_the_call(
    dispatcher: Dispatcher, rooms: RoomStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "switchboard")
    assert await dispatcher.open(with_number("4930123456")) is DispatchResult.QUEUED
    assert await number_of(rooms) == CALLER
    client: Any = rooms.redis
    assert CALLER[1:] not in "".join(await client.lrange("premium", 0, -1))
    for attempt in (1, 2):
        await rooms.claim(SID, attempt, claimant="a", worker="w", pid=1)
        if attempt == 1:
            await rooms.requeue(
                SID, 1, queue="premium", message=b"{}", reason="x", max_attempts=5, cause=LossCause.HANDED_OVER
            )
    await rooms.end(SID, 2, outcome="room empty")
    assert await recorded(rooms) == [("attempt", CALLER), ("attempt", CALLER), ("call", CALLER)]
    assert not [record for record in caplog.records if CALLER[1:] in str(vars(record))]


async def test_the_number_of_a_caller_who_joins_an_open_room_is_saved_once(
    dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    assert await dispatcher.open(RoomInfo(SID, NAME)) is DispatchResult.QUEUED
    assert await number_of(rooms) is None
    assert await dispatcher.open(joined(CALLER)) is DispatchResult.KNOWN
    assert await dispatcher.open(joined("+4930999")) is DispatchResult.KNOWN
    assert await number_of(rooms) == CALLER


async def test_a_caller_whose_joining_opens_the_room_has_it_from_the_beginning(
    dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    assert await dispatcher.open(joined(CALLER)) is DispatchResult.QUEUED
    assert await number_of(rooms) == CALLER


async def test_a_room_that_is_opened_again_keeps_it(dispatcher: Dispatcher, rooms: RoomStore) -> None:
    await dispatcher.open(with_number(CALLER))
    await rooms.claim(SID, 1, claimant="a", worker="w", pid=1)
    await rooms.end(SID, 1, outcome="room empty")
    back = RoomInfo(SID, NAME, joined_at_ms=int(time.time() * 1000) + 1000)
    assert await dispatcher.open(back) is DispatchResult.QUEUED
    assert await number_of(rooms) == CALLER


async def test_a_caller_who_is_refused_is_recorded_with_it(dispatcher: Dispatcher, rooms: RoomStore) -> None:
    await dispatcher.open(with_number("+49301"))
    assert await dispatcher.open(with_number(CALLER, "RM_2")) is DispatchResult.BUSY
    assert await recorded(rooms) == [("call", CALLER)]


async def test_no_hash_is_made_for_a_room_that_is_not_known(dispatcher: Dispatcher, rooms: RoomStore) -> None:
    numbers = dispatcher._numbers
    assert await numbers.save("RM_unknown", CALLER) is False
    assert await number_of(rooms, "RM_unknown") is None


@pytest.mark.parametrize("number", ["", None, 4930, "x" * 65, "a\nb", ["+49"]])
async def test_what_is_no_number_is_left_out(dispatcher: Dispatcher, rooms: RoomStore, number: object) -> None:
    assert await dispatcher.open(with_number(number)) is DispatchResult.QUEUED
    assert await number_of(rooms) is None
