"""Faults of a whole worker."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, suppress

from ops.stack import Worker, WorkerSpec
from tasks.rooms import State
from tests.chaos.conversation import ObservedCall, start_call
from tests.chaos.installation import DRAIN_SECONDS, ChaosInstallation
from tests.chaos.scenario import Outcome, Variation
from tests.support.waiting import until

CALLS = 6
BRIEF_CALLS = 3
DOWN_SECONDS = 5.0
STOPPED_SECONDS = DRAIN_SECONDS + 15.0


async def killed(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Kill one of two workers with all its children. The calls of the other one must not notice it."""
    outcome = Outcome()
    async with AsyncExitStack() as stack:
        calls = [await stack.enter_async_context(start_call(installation)) for _ in range(2)]
        await asyncio.sleep(variation.delay(5))
        node = variation.random.choice(calls).room.worker
        for call in calls:
            call.mark_fault()
        installation.worker_at(node).kill()
        for call in calls:
            if call.room.worker == node:
                outcome.add(call, await call.wait_for_replacement())
        for call in calls:
            if call.room.worker != node:
                room = await installation.rooms.get(call.room.sid)
                assert room is not None
                outcome.calls += 1
                outcome.lost += (room.state, room.attempt) != (State.RUNNING, call.room.attempt)
    return outcome


async def only_one_killed(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Kill the only worker of a queue, and start it again after 5 s. Seconds count from its restart."""
    outcome = Outcome()
    worker = await installation.stack.add_worker(WorkerSpec("alone", ("alone",), slots=2))
    try:
        async with start_call(installation, "single") as call:
            await asyncio.sleep(variation.delay(5))
            worker.kill()
            await asyncio.sleep(DOWN_SECONDS)
            await worker.start()
            call.mark_fault()
            outcome.add(call, await call.wait_for_replacement())
    finally:
        await worker.stop()
        del installation.stack.workers["alone"]
    return outcome


async def rolling_restart(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Drain and restart each worker in turn. Seconds count from the last sound of the old agent."""
    outcome = Outcome()
    count = BRIEF_CALLS if variation.brief else CALLS
    async with AsyncExitStack() as stack:
        calls = [await stack.enter_async_context(start_call(installation, "talker")) for _ in range(count)]
        await asyncio.sleep(variation.delay(3))
        lost: set[str] = set()
        for worker in list(installation.stack.workers.values()):
            lost |= await _drain(installation, worker, calls)
            await worker.start()
        for call in calls:
            overlap = call.doubled_seconds()
            outcome.calls += 1
            outcome.lost += call.room.sid in lost
            outcome.doubled += overlap > 0
            outcome.recoveries += call.silences_between_agents()
            if overlap:
                outcome.remarks.append(f"two agents were heard at once for {overlap:.2f} s")
    return outcome


async def _drain(installation: ChaosInstallation, worker: Worker, calls: list[ObservedCall]) -> set[str]:
    """Drain a worker with SIGTERM, and wait for the next agents of its calls. Return the sids that got none."""
    worker.send(signal.SIGTERM)
    async with asyncio.timeout(STOPPED_SECONDS):
        status = await worker.exited()
    assert status == 0, f"{worker.name} exited with {status}"

    async def elsewhere() -> bool:
        rooms = await installation.get_rooms([call.room.sid for call in calls])
        return all(room.state is State.RUNNING and room.worker != worker.node for room in rooms)

    with suppress(TimeoutError):
        await until(elsewhere)
    rooms = {room.sid: room for room in await installation.get_rooms([call.room.sid for call in calls])}
    lost = set()
    for call in calls:
        room = rooms[call.room.sid]
        if room.worker == worker.node or not await call.hears(f"agent-{room.sid}-{room.attempt}"):
            lost.add(room.sid)
    return lost
