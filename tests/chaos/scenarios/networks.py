"""Faults of the network."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from tests.chaos.conversation import start_call
from tests.chaos.installation import ChaosInstallation, Cuttable
from tests.chaos.network import FAR, NEAR
from tests.chaos.scenario import Outcome, Variation
from tests.chaos.scenarios.children import OVERLAP_SECONDS, is_gone

CUT_SECONDS = 20.0
BRIEFLY_CUT_SECONDS = 10.0
FAR_CALLS = 2


async def cut(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Cut off the host of one worker, and connect it again after a while."""
    assert installation.network is not None
    return await _cut(
        installation, variation, installation.network, BRIEFLY_CUT_SECONDS if variation.brief else CUT_SECONDS
    )


async def livekit_cut(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Cut the host of one worker off from the LiveKit server alone, and connect it again after a while."""
    assert installation.network is not None
    return await _cut(installation, variation, installation.network.livekit, CUT_SECONDS)


async def livekit_cut_for_good(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Cut the host of one worker off from the LiveKit server alone, until all callers have another agent."""
    assert installation.network is not None
    return await _cut(installation, variation, installation.network.livekit, None)


async def _cut(installation: ChaosInstallation, variation: Variation, link: Cuttable, seconds: float | None) -> Outcome:
    """Cut a link of the far worker for so many seconds; None: until all callers have another agent."""
    outcome = Outcome()
    node = installation.stack.workers[FAR].node
    async with AsyncExitStack() as stack:
        async with installation.full(NEAR):
            far = [await stack.enter_async_context(start_call(installation, "talker")) for _ in range(FAR_CALLS)]
        assert {call.room.worker for call in far} == {node}
        await asyncio.sleep(variation.delay(5))
        for call in far:
            call.mark_fault()
        await link.cut()
        try:
            waiting = asyncio.gather(*(call.wait_for_replacement() for call in far))
            await (asyncio.wait({waiting}) if seconds is None else asyncio.sleep(seconds))
        finally:
            await link.restore()
        for call in far:
            await is_gone(call.pid)
        for call, back in zip(far, await waiting, strict=True):
            outcome.add(call, back, allowed_overlap=OVERLAP_SECONDS)
    return outcome
