"""What happens to the servers that are not ours: Redis and livekit-server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, cast

from ops.caller.errors import CallError
from ops.stack.livekit import LiveKitServer
from tasks.rooms import State
from tests.acceptance.installation import ANSWER_SECONDS
from tests.chaos.conversation import LOST_SECONDS, Talk, talk
from tests.chaos.installation import Stage
from tests.chaos.scenario import Chance, Outcome

STOP_SECONDS = 10.0
AFTERWARDS_SECONDS = 8.0
"""Longer than a lease: who had to renew it has done so, or has lost it."""
RENEWAL_SECONDS = 3.0
"""Longer than from one renewal to the next."""
SILENCE_SECONDS = 1.0
"""An agent that is silent for longer has not gone on talking."""


async def redis_restarted(stage: Stage, chance: Chance) -> Outcome:
    """Redis: SIGKILL, and a start with what it has in its file. Seconds are the longest silence."""
    redis = stage.stack.redis

    async def strike() -> None:
        redis.kill()
        await redis.exited()
        await asyncio.sleep(chance.moment(2))
        await redis.start()

    return await _redis_in_trouble(stage, chance, strike)


async def redis_stopped(stage: Stage, chance: Chance) -> Outcome:
    """Redis: SIGSTOP for 10 s. Seconds are the longest silence."""
    redis = stage.stack.redis

    async def strike() -> None:
        redis.pause()
        try:
            await asyncio.sleep(STOP_SECONDS)
        finally:
            redis.resume()

    return await _redis_in_trouble(stage, chance, strike)


async def redis_clients_killed(stage: Stage, chance: Chance) -> Outcome:
    """Redis: all connections closed. Seconds are the longest silence."""

    async def strike() -> None:
        async with stage.stack.redis.client() as client:
            for kind in ("normal", "pubsub"):
                await cast("Any", client.client_kill_filter(_type=kind, skipme=True))

    return await _redis_in_trouble(stage, chance, strike)


async def livekit_restarted(stage: Stage, chance: Chance) -> Outcome:
    """livekit-server: SIGKILL or SIGTERM, and a start. Seconds count from when the caller is back in its room."""
    livekit = stage.stack.livekit
    assert isinstance(livekit, LiveKitServer)
    outcome = Outcome()
    async with AsyncExitStack() as calls:
        talks = [await calls.enter_async_context(talk(stage, "talker")) for _ in range(2)]
        returned = [_returned(call) for call in talks]
        await asyncio.sleep(chance.moment(5))
        if chance.random.random() < 0.5:
            livekit.kill()
        await livekit.stop()
        await livekit.start()
        backs = await asyncio.gather(*(_back_after(call, event) for call, event in zip(talks, returned, strict=True)))
        for call, back in zip(talks, backs, strict=True):
            # Its agent has left the room that took the place of its own.
            await stage.reaches(call.room.sid, State.ENDED)
            outcome.add(call, back)
    return outcome


async def _redis_in_trouble(stage: Stage, chance: Chance, strike: Callable[[], Awaitable[None]]) -> Outcome:
    outcome = Outcome()
    async with AsyncExitStack() as calls:
        talks = [await calls.enter_async_context(talk(stage, "talker")) for _ in range(2)]
        await asyncio.sleep(chance.moment(5))
        for call in talks:
            call.strike()
        await strike()
        await _next_call(stage, outcome)
        await asyncio.sleep(RENEWAL_SECONDS if chance.brief else AFTERWARDS_SECONDS)
        for call in talks:
            silence = call.longest_silence()
            room = await stage.rooms.get(call.room.sid)
            if silence > SILENCE_SECONDS or room is None or (room.state, room.attempt) != (State.RUNNING, 1):
                outcome.remarks.append(f"silent for {silence:.1f} s; the room is {room}")
                outcome.add(call, None)
            else:
                outcome.add(call, silence)
    return outcome


async def _next_call(stage: Stage, outcome: Outcome) -> None:
    """Workers that have hung themselves up on their connection would not take one."""
    outcome.calls += 1
    try:
        async with talk(stage):
            return
    except (CallError, AssertionError) as error:
        outcome.lost += 1
        outcome.remarks.append(f"the next call: {error}")


def _returned(call: Talk) -> asyncio.Event:
    event = asyncio.Event()
    call.caller.room.on("reconnected", event.set)
    return event


async def _back_after(call: Talk, returned: asyncio.Event) -> float | None:
    async with asyncio.timeout(ANSWER_SECONDS + LOST_SECONDS):
        await returned.wait()
    call.strike()
    return await call.back()
