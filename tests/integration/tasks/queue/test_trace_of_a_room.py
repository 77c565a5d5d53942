"""The trace of a room, from its dispatch to its next attempt. Nothing is exported here: it is carried all the same."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tasks import tracing
from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.queue.requeue import requeue_call
from tasks.rooms import ClaimRefusal, Room, RoomStore
from tasks.settings import Settings
from tasks.tracing import TraceParent
from tests.support.tenants import declare

SID, NAME = "RM_1", "call-acme-1"
REQUEST = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
WEBHOOK = "00-11111111111111111111111111111111-2222222222222222-01"


@pytest.fixture
async def dispatcher(switchboard_env: dict[str, str], rooms: RoomStore) -> AsyncIterator[Dispatcher]:
    await declare(rooms.redis, '[tenants.acme]\ntier = "premium"\n')
    made = Dispatcher.from_settings(Settings.read())
    yield made
    tracing.set_current(None)
    await made.aclose()


async def claimed(rooms: RoomStore, attempt: int) -> Room:
    room = await rooms.claim(SID, attempt, claimant=str(attempt), worker="celery@one", pid=7)
    assert not isinstance(room, ClaimRefusal)
    return room


async def headers(rooms: RoomStore) -> dict[str, Any]:
    """The headers of the only queued message."""
    (message,) = await rooms.redis.lrange("premium", 0, -1)
    found: dict[str, Any] = json.loads(message)["headers"]
    return found


async def test_the_room_and_its_message_have_the_trace_of_their_request(
    dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    tracing.set_current(TraceParent.parse(WEBHOOK))
    assert await dispatcher.open(RoomInfo(SID, NAME)) is DispatchResult.QUEUED
    assert (await headers(rooms))["traceparent"] == WEBHOOK
    assert (await claimed(rooms, 1)).trace == WEBHOOK


async def test_a_requested_room_has_the_requests_trace_also_if_its_webhook_is_faster(
    dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    tracing.set_current(TraceParent.parse(REQUEST))
    await dispatcher.save_trace(NAME)
    tracing.set_current(TraceParent.parse(WEBHOOK))
    assert await dispatcher.open(RoomInfo(SID, NAME)) is DispatchResult.QUEUED
    assert (await claimed(rooms, 1)).trace == REQUEST


async def test_without_a_trace_there_is_neither_a_field_nor_a_header_nor_a_key(
    dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    await dispatcher.save_trace(NAME)
    assert not await rooms.redis.keys("switchboard:trace:*")
    assert await dispatcher.open(RoomInfo(SID, NAME)) is DispatchResult.QUEUED
    assert not {"traceparent", "lost_claim"} & (await headers(rooms)).keys()
    assert (await claimed(rooms, 1)).trace == ""
    assert not await rooms.redis.hexists(f"switchboard:room:{SID}", "trace")


@pytest.mark.parametrize("alive", [False, True])
async def test_the_next_attempt_is_told_whether_to_write_the_span_of_the_one_before(
    dispatcher: Dispatcher, rooms: RoomStore, *, alive: bool
) -> None:
    tracing.set_current(TraceParent.parse(WEBHOOK))
    await dispatcher.open(RoomInfo(SID, NAME))
    lost = await claimed(rooms, 1)
    await rooms.redis.delete("premium")
    await requeue_call(lost, rooms, 5, reason="its child has died", alive=alive)
    sent = await headers(rooms)
    assert sent["traceparent"] == WEBHOOK
    assert sent.get("lost_claim") == (None if alive else lost.steps_ms["claimed"])
    assert (await claimed(rooms, 2)).trace == WEBHOOK
