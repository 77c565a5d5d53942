"""A tenant that may have three calls at once, and those beside it: with real calls, and a worker that dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise

import pytest
from livekit import rtc

from ops.caller.caller import caller_token
from ops.stack import WorkerSpec
from tasks.rooms import State
from tests.acceptance.installation import Installation
from tests.acceptance.room_timeline import Series
from tests.support.light_worker import LIGHT
from tests.support.waiting import until
from tests.unit.conventions.source_tree import ROOT

CAP = 3
HELD = (State.QUEUED, State.RUNNING)


class WaitingCaller:
    """Somebody in a room, who reads what a client can read of the wait."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.sid = ""
        self.read: list[Mapping[str, str]] = []
        self.gone: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.room.on("participant_attributes_changed", self._changed)
        self.room.on("disconnected", self._disconnected)

    @classmethod
    @asynccontextmanager
    async def call(cls, running: Installation, tenant: str) -> AsyncIterator[WaitingCaller]:
        """Join a new room of the tenant's, and leave it afterwards."""
        caller = cls()
        livekit = running.stack.livekit
        name = running.room_name(tenant)
        token = caller_token(livekit.api_key, livekit.api_secret, room=name, identity="caller")
        await caller.room.connect(livekit.url, token)
        try:
            caller.sid = await caller.room.sid
            yield caller
        finally:
            await caller.room.disconnect()

    def _changed(self, _: dict[str, str], person: rtc.Participant) -> None:
        if person.identity == "caller":
            self.read.append({key.removeprefix("switchboard."): value for key, value in person.attributes.items()})

    def _disconnected(self, reason: object) -> None:
        if not self.gone.done():
            self.gone.set_result(reason)


@pytest.mark.timeout(180)
async def test_twelve_calls_of_a_tenant_run_three_at_a_time_and_in_order_while_others_are_answered_at_once(
    running: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    specs = [WorkerSpec(name, ("capped",), slots=4, env=LIGHT) for name in ("capped-one", "capped-two")]
    workers = await asyncio.gather(*(running.stack.add_worker(spec) for spec in specs))
    rooms: dict[str, str] = {}
    callers: list[WaitingCaller] = []
    try:
        async with AsyncExitStack() as leaving, Series.of(running.rooms, rooms) as series:
            for tenant in ["crowd"] * 12 + ["beside"] * 3:
                caller = await leaving.enter_async_context(WaitingCaller.call(running, tenant))
                # In the order in which they were opened: the next one calls when this one is known.
                await running.reaches(caller.sid, lambda room: room.state is not None)
                rooms[caller.sid] = tenant
                callers.append(caller)
            crowd, beside = callers[:12], callers[12:]

            async def some_have_ended_and_others_are_answered() -> bool:
                others = all(caller.sid in series.claimed for caller in beside)
                return series.samples[-1][1]["crowd", State.ENDED] >= CAP and others

            await until(some_have_ended_and_others_are_answered, 60)
            victim = await _worker_with_a_call(running, crowd)
            series.note(f"{victim} is killed")
            next(worker for worker in workers if worker.node == victim).kill()

            async def all_have_ended() -> bool:
                return series.samples[-1][1]["crowd", State.ENDED] == len(crowd)

            await until(all_have_ended, 90)
            series.note("all twelve have ended")
            found = [await running.rooms.get(caller.sid) for caller in callers]
            chart = series.write(ROOT / "build")
    finally:
        await asyncio.gather(*(worker.stop() for worker in workers))
    with capsys.disabled():
        print(f"\n{chart}")

    assert series.most("crowd", *HELD) == CAP
    # Of two that are in the queue at once, each is taken by another worker, and either may be claimed a moment sooner.
    assert [caller.sid for caller in crowd] == sorted(
        (caller.sid for caller in crowd), key=lambda sid: series.queued[sid]
    )
    for room in found[12:]:
        assert room is not None
        # Its first claim: the worker that is killed later may have had it.
        assert (series.began + series.claimed[room.sid]) * 1000 - room.steps_ms["received"] < 2000
    # The worker that was killed had some of them, and their places stayed theirs.
    assert max(room.attempt for room in found if room) == 2
    assert await running.rooms.redis.zcard("switchboard:permits") == 0
    # A caller is told that it waits once it has waited for a second.
    at_once = [
        caller
        for caller, room in zip(beside, found[12:], strict=True)
        if room and room.attempt == 1 and series.claimed[caller.sid] - series.queued[caller.sid] < 1
    ]
    assert at_once
    assert not [read for caller in at_once for read in caller.read]

    last = crowd[-1].read
    assert last[0]["state"] == "waiting"
    assert int(last[0]["position"]) > CAP
    positions = [int(read["position"]) for read in last if "position" in read]
    assert positions[-1] < positions[0]
    # It grows only by the lost calls of the worker that was killed, which come back in front.
    lost = sum(room.attempt == 2 for room in found[:12] if room)
    assert sum(max(0, later - sooner) for sooner, later in pairwise(positions)) <= lost
    assert any("wait_seconds" in read for read in last)
    assert last[-1] == {"state": "running"}


async def _worker_with_a_call(running: Installation, crowd: list[WaitingCaller]) -> str:
    found = ""

    async def runs() -> bool:
        nonlocal found
        rooms = [await running.rooms.get(caller.sid) for caller in crowd]
        # One that has just begun, so that it is not over by itself at that moment.
        young = [room for room in rooms if room and room.state is State.RUNNING and "joined" in room.steps_ms]
        young = [room for room in young if time.time() * 1000 - room.steps_ms["claimed"] < 1500]
        found = young[0].worker if young else ""
        return bool(found)

    await until(runs)
    return found


async def test_a_caller_whom_nobody_can_answer_in_time_reads_a_public_reason_before_the_room_ends(
    running: Installation,
) -> None:
    async with WaitingCaller.call(running, "unanswered") as caller:
        began = time.monotonic()
        await asyncio.wait_for(caller.gone, 30)
        seconds = time.monotonic() - began
        letter = await running.dead_letter(caller.sid)
        assert (letter.reason, letter.tier) == ("nobody could answer it within 3 s", "hasty")
        assert caller.read[0]["state"] == "queued"
        assert caller.read[-1] == {"state": "ended", "reason": "busy"}
        assert await caller.gone == rtc.DisconnectReason.ROOM_DELETED
        # Longest wait, and the time for reading.
        assert seconds > 3 + 3
