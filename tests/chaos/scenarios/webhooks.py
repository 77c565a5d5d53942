"""What happens to webhooks on their way."""

from __future__ import annotations

import asyncio

from ops.caller.errors import CallError
from ops.stack.livekit import LiveKitServer
from tests.chaos.conversation import LOST_SECONDS, Talk
from tests.chaos.installation import Stage
from tests.chaos.scenario import Chance, Outcome
from tests.chaos.webhook_shuffler import Storm

# No more calls at once than two cores can start in the time that is measured.
ROOMS, WITHIN_SECONDS = 50, 75.0
FEW_ROOMS, WITHIN_FEW_SECONDS = 10, 10.0


async def storm(stage: Stage, chance: Chance) -> Outcome:
    """Each comes three times and out of order, or one in five not at all. Seconds count from when a caller is there."""
    livekit = stage.stack.livekit
    assert isinstance(livekit, LiveKitServer)
    rooms, seconds = (FEW_ROOMS, WITHIN_FEW_SECONDS) if chance.brief else (ROOMS, WITHIN_SECONDS)
    outcome = Outcome()
    calm = livekit.webhook_url
    async with Storm.over(calm, chance.random) as way:
        await _send_webhooks_to(way.url, livekit)
        try:
            moments = [chance.random.uniform(0, seconds) for _ in range(rooms)]
            sids = await asyncio.gather(*(_caller(stage, moment, outcome) for moment in moments))
            await way.blown_over()
            # Of a call that is over the last copies must not make another one.
            await stage.all_calls_over()
            for room in await stage.look(sids):
                if room.attempt != 1:
                    outcome.doubled += 1
                    outcome.remarks.append(f"the room had more than one call: {room}")
        finally:
            await _send_webhooks_to(calm, livekit)
    return outcome


async def _caller(stage: Stage, moment: float, outcome: Outcome) -> str:
    await asyncio.sleep(moment)
    async with stage.call("talker") as caller:
        call = Talk(caller)
        call.strike()
        try:
            await caller.ear.sound(0, LOST_SECONDS)
        except CallError:
            outcome.add(call, None)
        else:
            outcome.add(call, await call.back())
        return caller.room_sid


async def _send_webhooks_to(url: str, livekit: LiveKitServer) -> None:
    livekit.webhook_url = url
    await livekit.stop()
    await livekit.start()
