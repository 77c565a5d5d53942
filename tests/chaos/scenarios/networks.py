"""What happens to the network."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from tests.chaos.conversation import Talk, talk
from tests.chaos.installation import SLOTS, Stage
from tests.chaos.network import FAR
from tests.chaos.scenario import Chance, Outcome
from tests.chaos.scenarios.children import AT_ONCE_SECONDS, is_gone

CUT_SECONDS = 20.0
BRIEFLY_CUT_SECONDS = 10.0
FAR_CALLS = 2


async def cut(stage: Stage, chance: Chance) -> Outcome:
    """The host of one worker is cut off, and joined again after a while."""
    assert stage.network is not None
    outcome = Outcome()
    node = stage.stack.workers[FAR].node
    async with AsyncExitStack() as calls:
        far: list[Talk] = []
        for _ in range(SLOTS):
            call = await calls.enter_async_context(talk(stage, "talker"))
            if call.room.worker == node:
                far.append(call)
            if len(far) == FAR_CALLS:
                break
        assert far, "all calls went to the near worker"
        await asyncio.sleep(chance.moment(5))
        for call in far:
            call.strike()
        await stage.network.cut()
        try:
            waiting = asyncio.gather(*(call.back() for call in far))
            await asyncio.sleep(BRIEFLY_CUT_SECONDS if chance.brief else CUT_SECONDS)
        finally:
            await stage.network.join()
        for call in far:
            await is_gone(call.pid)
        for call, back in zip(far, await waiting, strict=True):
            outcome.add(call, back, doubled_seconds=AT_ONCE_SECONDS)
    return outcome
