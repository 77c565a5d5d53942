"""Faults of the delivery of webhooks."""

from __future__ import annotations

import asyncio

from ops.caller.errors import CallError
from ops.stack.livekit import LiveKitServer
from tests.chaos.conversation import LOST_SECONDS, ObservedCall
from tests.chaos.installation import ChaosInstallation
from tests.chaos.scenario import Outcome, Variation
from tests.chaos.webhook_shuffler import WebhookShuffler

# Not more simultaneous calls than two cores can start within the limit.
ROOMS, WITHIN_SECONDS = 50, 75.0
FEW_ROOMS, WITHIN_FEW_SECONDS = 10, 10.0


async def shuffled(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Repeat each webhook three times and out of order, and lose one in five. Seconds count from the caller's join."""
    livekit = installation.stack.livekit
    assert isinstance(livekit, LiveKitServer)
    rooms, seconds = (FEW_ROOMS, WITHIN_FEW_SECONDS) if variation.brief else (ROOMS, WITHIN_SECONDS)
    outcome = Outcome()
    direct_url = livekit.webhook_url
    async with WebhookShuffler.serve(direct_url, variation.random) as shuffler:
        await _send_webhooks_to(shuffler.url, livekit)
        try:
            delays = [variation.random.uniform(0, seconds) for _ in range(rooms)]
            sids = await asyncio.gather(*(_call(installation, delay, outcome) for delay in delays))
            await shuffler.wait_until_delivered()
            # The last copies of a call that is over must not make another call.
            await installation.all_calls_over()
            for room in await installation.get_rooms(sids):
                if room.attempt != 1:
                    outcome.doubled += 1
                    outcome.remarks.append(f"the room had more than one call: {room}")
        finally:
            await _send_webhooks_to(direct_url, livekit)
    return outcome


async def _call(installation: ChaosInstallation, delay: float, outcome: Outcome) -> str:
    await asyncio.sleep(delay)
    async with installation.call("talker") as caller:
        call = ObservedCall(caller)
        call.mark_fault()
        try:
            await caller.listener.wait_for_sound(0, LOST_SECONDS)
        except CallError:
            outcome.add(call, None)
        else:
            outcome.add(call, await call.wait_for_replacement())
        return caller.room_sid


async def _send_webhooks_to(url: str, livekit: LiveKitServer) -> None:
    livekit.webhook_url = url
    await livekit.stop()
    await livekit.start()
