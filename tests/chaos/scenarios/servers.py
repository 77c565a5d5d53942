"""Faults of Redis and of livekit-server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, cast

from ops.caller.errors import CallError
from ops.stack.livekit import LiveKitServer
from tasks.rooms import State
from tests.acceptance.installation import ANSWER_SECONDS
from tests.chaos.conversation import LOST_SECONDS, ObservedCall, start_call
from tests.chaos.installation import ChaosInstallation
from tests.chaos.scenario import Outcome, Variation

PAUSE_SECONDS = 10.0
AFTERWARDS_SECONDS = 8.0
"""Longer than the lease's TTL: each call has renewed its lease, or has lost it."""
RENEWAL_SECONDS = 3.0
"""Longer than the renewal interval."""
SILENCE_SECONDS = 1.0
"""A longer silence means that the agent has not gone on speaking."""


async def redis_restarted(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Kill Redis, and start it with its append-only file. Seconds are the longest silence."""
    redis = installation.stack.redis

    async def cause_fault() -> None:
        redis.kill()
        await redis.exited()
        await asyncio.sleep(variation.delay(2))
        await redis.start()

    return await _redis_fault(installation, variation, cause_fault)


async def redis_paused(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Pause Redis for 10 s. Seconds are the longest silence."""
    redis = installation.stack.redis

    async def cause_fault() -> None:
        redis.pause()
        try:
            await asyncio.sleep(PAUSE_SECONDS)
        finally:
            redis.resume()

    return await _redis_fault(installation, variation, cause_fault)


async def redis_clients_killed(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Close all connections to Redis. Seconds are the longest silence."""

    async def cause_fault() -> None:
        async with installation.stack.redis.client() as client:
            for kind in ("normal", "pubsub"):
                await cast("Any", client.client_kill_filter(_type=kind, skipme=True))

    return await _redis_fault(installation, variation, cause_fault)


async def livekit_restarted(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Restart livekit-server, after SIGKILL or SIGTERM. Seconds count from the caller's return to its room."""
    livekit = installation.stack.livekit
    assert isinstance(livekit, LiveKitServer)
    outcome = Outcome()
    async with AsyncExitStack() as stack:
        calls = [await stack.enter_async_context(start_call(installation, "talker")) for _ in range(2)]
        returned = [_returned(call) for call in calls]
        await asyncio.sleep(variation.delay(5))
        if variation.random.random() < 0.5:
            livekit.kill()
        await livekit.stop()
        await livekit.start()
        recoveries = await asyncio.gather(
            *(_recovery_after(call, event) for call, event in zip(calls, returned, strict=True))
        )
        for call, back in zip(calls, recoveries, strict=True):
            # The restarted server has created a new room, so the call of the old one has to end.
            await installation.reaches(call.room.sid, State.ENDED)
            outcome.add(call, back)
    return outcome


async def _redis_fault(
    installation: ChaosInstallation, variation: Variation, cause_fault: Callable[[], Awaitable[None]]
) -> Outcome:
    outcome = Outcome()
    async with AsyncExitStack() as stack:
        calls = [await stack.enter_async_context(start_call(installation, "talker")) for _ in range(2)]
        await asyncio.sleep(variation.delay(5))
        for call in calls:
            call.mark_fault()
        await cause_fault()
        await _next_call(installation, outcome)
        await asyncio.sleep(RENEWAL_SECONDS if variation.brief else AFTERWARDS_SECONDS)
        for call in calls:
            silence = call.longest_silence()
            room = await installation.rooms.get(call.room.sid)
            if silence > SILENCE_SECONDS or room is None or (room.state, room.attempt) != (State.RUNNING, 1):
                outcome.remarks.append(f"silent for {silence:.1f} s; the room is {room}")
                outcome.add(call, None)
            else:
                outcome.add(call, silence)
    return outcome


async def _next_call(installation: ChaosInstallation, outcome: Outcome) -> None:
    """Check that another call is answered: a worker that hangs on a dead connection would take none."""
    outcome.calls += 1
    try:
        async with start_call(installation):
            return
    except (CallError, AssertionError) as error:
        outcome.lost += 1
        outcome.remarks.append(f"the next call: {error}")


def _returned(call: ObservedCall) -> asyncio.Event:
    event = asyncio.Event()
    call.caller.room.on("reconnected", event.set)
    return event


async def _recovery_after(call: ObservedCall, returned: asyncio.Event) -> float | None:
    async with asyncio.timeout(ANSWER_SECONDS + LOST_SECONDS):
        await returned.wait()
    call.mark_fault()
    return await call.wait_for_replacement()
