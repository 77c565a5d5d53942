"""What happens to a whole worker."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, suppress

from ops.stack import Worker, WorkerSpec
from tasks.rooms import State
from tests.chaos.conversation import Talk, talk
from tests.chaos.installation import DRAIN_SECONDS, Stage
from tests.chaos.scenario import Chance, Outcome
from tests.support.waiting import until

CALLS = 6
AWAY_SECONDS = 5.0
STOPPED_SECONDS = DRAIN_SECONDS + 15.0


async def killed(stage: Stage, chance: Chance) -> Outcome:
    """SIGKILL to one, with all its children; another one is up. The calls of that other one notice nothing."""
    outcome = Outcome()
    async with AsyncExitStack() as calls:
        talks = [await calls.enter_async_context(talk(stage)) for _ in range(2)]
        await asyncio.sleep(chance.moment(5))
        node = chance.random.choice(talks).room.worker
        for call in talks:
            call.strike()
        stage.worker_at(node).kill()
        for call in talks:
            if call.room.worker == node:
                outcome.add(call, await call.back())
        for call in talks:
            if call.room.worker != node:
                room = await stage.rooms.get(call.room.sid)
                assert room is not None
                outcome.calls += 1
                outcome.lost += (room.state, room.attempt) != (State.RUNNING, call.room.attempt)
    return outcome


async def only_one_killed(stage: Stage, chance: Chance) -> Outcome:
    """SIGKILL to the only one of its queue, which is started again 5 s later. Seconds count from when it is up."""
    outcome = Outcome()
    worker = await stage.stack.add_worker(WorkerSpec("alone", ("alone",), slots=2))
    try:
        async with talk(stage, "single") as call:
            await asyncio.sleep(chance.moment(5))
            worker.kill()
            await asyncio.sleep(AWAY_SECONDS)
            await worker.start()
            call.strike()
            outcome.add(call, await call.back())
    finally:
        await worker.stop()
        del stage.stack.workers["alone"]
    return outcome


async def restarted_in_turn(stage: Stage, chance: Chance) -> Outcome:
    """SIGTERM to each in turn, and a start when it has stopped. Seconds count from the last sound of the old agent."""
    outcome = Outcome()
    async with AsyncExitStack() as calls:
        talks = [await calls.enter_async_context(talk(stage, "talker")) for _ in range(CALLS)]
        await asyncio.sleep(chance.moment(3))
        lost: set[str] = set()
        for worker in list(stage.stack.workers.values()):
            lost |= await _drained(stage, worker, talks)
            await worker.start()
        for call in talks:
            overlap = call.doubled_seconds()
            outcome.calls += 1
            outcome.lost += call.room.sid in lost
            outcome.doubled += overlap > 0
            outcome.backs += call.silences_between_agents()
            if overlap:
                outcome.remarks.append(f"two agents were heard at once for {overlap:.2f} s")
    return outcome


async def _drained(stage: Stage, worker: Worker, talks: list[Talk]) -> set[str]:
    """Stop a worker with SIGTERM, and wait for the next agents of its calls. Returns the sids that got none."""
    worker.send(signal.SIGTERM)
    async with asyncio.timeout(STOPPED_SECONDS):
        status = await worker.exited()
    assert status == 0, f"{worker.name} exited with {status}"

    async def elsewhere() -> bool:
        rooms = await stage.look([call.room.sid for call in talks])
        return all(room.state is State.RUNNING and room.worker != worker.node for room in rooms)

    with suppress(TimeoutError):
        await until(elsewhere)
    rooms = {room.sid: room for room in await stage.look([call.room.sid for call in talks])}
    lost = set()
    for call in talks:
        room = rooms[call.room.sid]
        if room.worker == worker.node or not await call.hears(f"agent-{room.sid}-{room.attempt}"):
            lost.add(room.sid)
    return lost
