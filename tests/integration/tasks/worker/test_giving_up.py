"""Callers who give up: their rooms leave nothing behind that a worker has to go through before the next call."""

from __future__ import annotations

import base64
import json
from contextlib import aclosing
from pathlib import Path

import pytest

from ops.stack import Worker
from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.queue.message import call_message
from tasks.rooms import Intake, RoomStore
from tasks.settings import Settings
from tests.integration.tasks.worker.conftest import TENANTS
from tests.integration.tasks.worker.dispatched import all_dead, intake_becomes, open_rooms, set_load
from tests.support.tenants import declare

GIVE_UP = 300
CALLS = 5
MOST_MS = 200
BOTH = TENANTS + TENANTS.replace("acme", "bolt")


async def test_a_call_after_three_hundred_callers_who_gave_up_is_claimed_at_once(
    worker: Worker, rooms: RoomStore, load: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await declare(rooms.redis, BOTH)
    for in_queue in (2, GIVE_UP):
        set_load(load, "1")
        await intake_becomes(rooms, Intake.LOAD)
        monkeypatch.setenv("SWITCHBOARD_QUEUED_PER_TENANT", str(in_queue))
        async with aclosing(Dispatcher.from_settings(Settings.read())) as receiver:
            gave_up = await open_rooms(receiver, f"gave-up-{in_queue}-", GIVE_UP)
            # A BRPOP that had begun before the gate closed may have taken one, and returns it.
            assert in_queue - 1 <= await rooms.redis.llen("premium") <= in_queue
            for sid in gave_up:
                await receiver.close(sid)
            assert await rooms.redis.llen("premium") == 0
            set_load(load, "0")
            await intake_becomes(rooms, Intake.OPEN)
            took_ms = [await time_to_claim(receiver, rooms, f"RM_bolt{in_queue}-{number}") for number in range(CALLS)]
        # The best of some, because the machine has other things to do.
        assert min(took_ms) < MOST_MS, took_ms
        assert await rooms.redis.llen("premium") == 0
    assert len(await rooms.list_dead_letters()) == 2 * CALLS
    assert "claim refused" not in worker.log.read_text()


async def time_to_claim(receiver: Dispatcher, rooms: RoomStore, sid: str) -> int:
    assert await receiver.open(RoomInfo(sid, "call-bolt-1")) is DispatchResult.QUEUED
    await all_dead(rooms, [sid])
    room = await rooms.get(sid)
    assert room is not None
    return room.steps_ms["claimed"] - room.steps_ms["queued"]


async def test_messages_of_rooms_that_redis_has_forgotten_cost_no_child(
    worker: Worker, dispatcher: Dispatcher, rooms: RoomStore, load: Path
) -> None:
    set_load(load, "1")
    await intake_becomes(rooms, Intake.LOAD)
    stale = call_message(sid="RM_forgotten", attempt=1, name="", tenant="acme", tier="premium", queue="premium")
    await rooms.redis.lpush("premium", *[stale] * GIVE_UP)
    (answered,) = await open_rooms(dispatcher, "answered", 1)
    set_load(load, "0")
    await all_dead(rooms, [answered])
    assert await rooms.redis.llen("premium") == 0
    log = worker.log.read_text()
    assert log.count("message dropped; its room does not wait for it") == GIVE_UP
    assert "claim refused" not in log


async def test_a_message_that_is_not_ours_does_not_stop_the_worker(
    worker: Worker, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    ours = json.loads(call_message(sid="RM_x", attempt=1, name="", tenant="acme", tier="premium", queue="premium"))
    bodies: list[object] = [[[], {}, {}], [["RM_x"], {"sid": "RM_x"}, {}], {"sid": "RM_x"}, "odd", None]
    for body in bodies:
        odd = ours | {"body": base64.b64encode(json.dumps(body).encode()).decode()}
        await rooms.redis.lpush("premium", json.dumps(odd))
    pid = worker.pid
    (answered,) = await open_rooms(dispatcher, "answered", 1)
    await all_dead(rooms, [answered])
    assert await rooms.redis.llen("premium") == 0
    assert worker.pid == pid
