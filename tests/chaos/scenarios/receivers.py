"""What happens to the receivers, and to the reconciler in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from ops.stack.process import ManagedProcess
from tasks.rooms import keys
from tests.chaos.conversation import Talk, talk
from tests.chaos.installation import Stage
from tests.chaos.scenario import Chance, Outcome
from tests.support.waiting import until

DOWN_SECONDS = 60.0
BRIEFLY_DOWN_SECONDS = 10.0
CALLS = 4
STOPPED_SECONDS = 10.0
TICKS_SECONDS = 3.0
BEFORE_THE_LEASE_ENDS = (1.5, 3.5)
"""Seconds after a worker was killed. Its last renewal was up to 2 s before that, so its leases last for 4 more."""


async def down(stage: Stage, chance: Chance) -> Outcome:
    """All of them are down while rooms start. Seconds count from when they are back."""
    outcome = Outcome()
    receivers = stage.stack.receivers
    seconds = BRIEFLY_DOWN_SECONDS if chance.brief else DOWN_SECONDS
    for receiver in receivers:
        receiver.kill()
    for receiver in receivers:
        await receiver.exited()
    began = asyncio.get_running_loop().time()
    async with AsyncExitStack() as calls:
        talks = []
        for moment in sorted(chance.random.uniform(0, seconds - 1) for _ in range(CALLS)):
            await asyncio.sleep(max(0.0, began + moment - asyncio.get_running_loop().time()))
            talks.append(Talk(await calls.enter_async_context(stage.call("acme"))))
        await asyncio.sleep(max(0.0, began + seconds - asyncio.get_running_loop().time()))
        await asyncio.gather(*(receiver.start() for receiver in receivers))
        for call in talks:
            call.strike()
        for call, back in zip(talks, await asyncio.gather(*(call.back() for call in talks)), strict=True):
            outcome.add(call, back)
    return outcome


async def leader_killed(stage: Stage, chance: Chance) -> Outcome:
    """The one that reconciles: SIGKILL, while a killed worker's leases run out. Seconds count from that SIGKILL."""
    outcome = Outcome()
    async with _lost_with_its_worker(stage, chance) as call:
        leader = await _leader(stage)
        call.strike()
        leader.kill()
        outcome.add(call, await call.back())
    return outcome


async def leader_stopped(stage: Stage, chance: Chance) -> Outcome:
    """The same, with a SIGSTOP, and a SIGCONT 10 s later."""
    outcome = Outcome()
    async with _lost_with_its_worker(stage, chance) as call:
        leader = await _leader(stage)
        call.strike()
        leader.pause()
        try:
            back, _ = await asyncio.gather(call.back(), asyncio.sleep(STOPPED_SECONDS))
        finally:
            leader.resume()
        # It ticks once more, as a leader, before it learns that another one leads.
        await asyncio.sleep(TICKS_SECONDS)
        outcome.add(call, back)
        room = await stage.rooms.get(call.caller.room_sid)
        assert room is not None
        if room.attempt != call.room.attempt + 1:
            outcome.lost += 1
            outcome.remarks.append(f"the call was lost again: {room}")
    return outcome


@asynccontextmanager
async def _lost_with_its_worker(stage: Stage, chance: Chance) -> AsyncIterator[Talk]:
    """A call whose worker was killed a moment ago, and whose lease lasts for another moment."""
    async with talk(stage) as call:
        stage.worker_at(call.room.worker).kill()
        await asyncio.sleep(chance.random.uniform(*BEFORE_THE_LEASE_ENDS))
        yield call


async def _leader(stage: Stage) -> ManagedProcess:
    async def leads() -> bool:
        return await stage.rooms.redis.exists(keys.LEADER) == 1

    await until(leads)
    _, pid, _ = str(await stage.rooms.redis.get(keys.LEADER)).split(":")
    return stage.receiver_with(int(pid))
