"""Faults of receivers, and of the reconciler in one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from ops.stack.process import ManagedProcess
from tasks.rooms import keys
from tests.chaos.conversation import ObservedCall, start_call
from tests.chaos.installation import ChaosInstallation
from tests.chaos.scenario import Outcome, Variation
from tests.support.waiting import until

DOWN_SECONDS = 60.0
BRIEFLY_DOWN_SECONDS = 10.0
CALLS = 4
PAUSED_SECONDS = 10.0
TICKS_SECONDS = 3.0
BEFORE_THE_LEASE_ENDS = (1.5, 3.5)
"""Seconds after a worker was killed. Its last renewal was up to 2 s earlier, so its leases last for 4 s or more."""


async def down(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Stop all receivers while rooms start. Seconds count from their restart."""
    outcome = Outcome()
    receivers = installation.stack.receivers
    seconds = BRIEFLY_DOWN_SECONDS if variation.brief else DOWN_SECONDS
    for receiver in receivers:
        receiver.kill()
    for receiver in receivers:
        await receiver.exited()
    began = asyncio.get_running_loop().time()
    async with AsyncExitStack() as stack:
        calls = []
        for moment in sorted(variation.random.uniform(0, seconds - 1) for _ in range(CALLS)):
            await asyncio.sleep(max(0.0, began + moment - asyncio.get_running_loop().time()))
            calls.append(ObservedCall(await stack.enter_async_context(installation.call("acme"))))
        await asyncio.sleep(max(0.0, began + seconds - asyncio.get_running_loop().time()))
        await asyncio.gather(*(receiver.start() for receiver in receivers))
        for call in calls:
            call.mark_fault()
        for call, back in zip(
            calls, await asyncio.gather(*(call.wait_for_replacement() for call in calls)), strict=True
        ):
            outcome.add(call, back)
    return outcome


async def leader_killed(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Kill the leader while a killed worker's leases run out. Seconds count from the kill of the leader."""
    outcome = Outcome()
    async with _call_of_killed_worker(installation, variation) as call:
        leader = await _leader(installation)
        call.mark_fault()
        leader.kill()
        outcome.add(call, await call.wait_for_replacement())
    return outcome


async def leader_paused(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Pause the leader for 10 s while a killed worker's leases run out."""
    outcome = Outcome()
    async with _call_of_killed_worker(installation, variation) as call:
        leader = await _leader(installation)
        call.mark_fault()
        leader.pause()
        try:
            back, _ = await asyncio.gather(call.wait_for_replacement(), asyncio.sleep(PAUSED_SECONDS))
        finally:
            leader.resume()
        # It ticks once more before it notices that there is another leader.
        await asyncio.sleep(TICKS_SECONDS)
        outcome.add(call, back)
        room = await installation.rooms.get(call.caller.room_sid)
        assert room is not None
        if room.attempt != call.room.attempt + 1:
            outcome.lost += 1
            outcome.remarks.append(f"the call was lost again: {room}")
    return outcome


@asynccontextmanager
async def _call_of_killed_worker(installation: ChaosInstallation, variation: Variation) -> AsyncIterator[ObservedCall]:
    """Start a call and kill its worker, and wait until its lease has almost expired."""
    async with start_call(installation) as call:
        installation.worker_at(call.room.worker).kill()
        await asyncio.sleep(variation.random.uniform(*BEFORE_THE_LEASE_ENDS))
        yield call


async def _leader(installation: ChaosInstallation) -> ManagedProcess:
    async def leads() -> bool:
        return await installation.rooms.redis.exists(keys.LEADER) == 1

    await until(leads)
    _, pid, _ = str(await installation.rooms.redis.get(keys.LEADER)).split(":")
    return installation.receiver_with(int(pid))
