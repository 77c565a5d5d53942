"""Callers who give up: their rooms leave nothing behind that a worker has to go through before the next call."""

from __future__ import annotations

import base64
import json
from contextlib import aclosing
from pathlib import Path
from statistics import median

import pytest

from ops.stack import Worker
from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.queue.message import call_message
from tasks.rooms import RoomStore
from tasks.settings import Settings
from tasks.worker.intake.gate import Intake
from tests.integration.tasks.worker.dispatched import all_dead, intake_becomes, open_rooms, set_load
from tests.support.tenants import declare

GIVE_UP = 300
CALLS = 5
MOST_MS = 200
TENANTS = '[tenants.acme]\ntier = "premium"\n[tenants.bolt]\ntier = "premium"\n'


@pytest.mark.parametrize("in_queue", [2, GIVE_UP], ids=["most wait for a permit", "all are queued"])
async def test_a_call_after_three_hundred_callers_who_gave_up_is_claimed_at_once(
    worker: Worker, rooms: RoomStore, load: Path, monkeypatch: pytest.MonkeyPatch, in_queue: int
) -> None:
    await declare(rooms.redis, TENANTS)
    monkeypatch.setenv("SWITCHBOARD_QUEUED_PER_TENANT", str(in_queue))
    async with aclosing(Dispatcher.from_settings(Settings.read())) as receiver:
        set_load(load, "1")
        await intake_becomes(rooms, Intake.LOAD)
        gave_up = await open_rooms(receiver, "gave-up", GIVE_UP)
        # A BRPOP that had begun before the gate closed may have taken one, and returns it.
        assert in_queue - 1 <= await rooms.redis.llen("premium") <= in_queue
        for sid in gave_up:
            await receiver.close(sid)
        set_load(load, "0")
        await intake_becomes(rooms, Intake.OPEN)
        took_ms = []
        for number in range(CALLS):
            sid = f"RM_bolt{number}"
            assert await receiver.open(RoomInfo(sid, "call-bolt-1")) is DispatchResult.QUEUED
            await all_dead(rooms, [sid])
            room = await rooms.get(sid)
            assert room is not None
            took_ms.append(room.steps_ms["claimed"] - room.steps_ms["queued"])
        assert median(took_ms) < MOST_MS, took_ms
        assert took_ms[0] < MOST_MS, took_ms
        assert await rooms.redis.llen("premium") == 0
        assert [record.sid for record in await rooms.list_dead_letters()] == [f"RM_bolt{n}" for n in range(CALLS)][::-1]


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
    for body in ([[], {}, {}], [["RM_x"], {"sid": "RM_x"}, {}], {"sid": "RM_x"}, "odd", None):
        odd = ours | {"body": base64.b64encode(json.dumps(body).encode()).decode()}
        await rooms.redis.lpush("premium", json.dumps(odd))
    pid = worker.pid
    (answered,) = await open_rooms(dispatcher, "answered", 1)
    await all_dead(rooms, [answered])
    assert await rooms.redis.llen("premium") == 0
    assert worker.pid == pid
