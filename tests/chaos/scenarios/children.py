"""What happens to the child that runs a call."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack

import psutil

from ops.caller.voice import speech, understand
from tests.acceptance.installation import ANSWER_SECONDS
from tests.chaos.conversation import Talk, talk
from tests.chaos.installation import Stage
from tests.chaos.scenario import Chance, Outcome
from tests.support.waiting import until

STOPS_SECONDS = (8.0, 20.0, 60.0)
LEAVING_SECONDS = 20.0
AT_ONCE_SECONDS = 0.5
"""For so long a child that comes back from a pause may be heard beside the one that has taken its call over."""
KNOWN = "Your name is John."
UNKNOWN = "You have not told me your name yet."
GREETED = "Nice to meet you, John."


async def killed(stage: Stage, chance: Chance) -> Outcome:
    """SIGKILL."""
    outcome = Outcome()
    async with talk(stage) as call:
        await asyncio.sleep(chance.moment(5))
        call.strike()
        os.kill(call.pid, signal.SIGKILL)
        outcome.add(call, await call.back())
    return outcome


async def hung(stage: Stage, chance: Chance) -> Outcome:
    """Its event loop hangs."""
    outcome = Outcome()
    async with talk(stage, "talker") as call:
        await asyncio.sleep(chance.moment(5))
        call.strike()
        (stage.folder / f"{call.room.sid}:{call.room.attempt}").touch()
        back = await call.back()
        await is_gone(call.pid)
        outcome.add(call, back)
    return outcome


async def stopped(stage: Stage, chance: Chance) -> Outcome:
    """SIGSTOP, and SIGCONT after a while: calls at the same time, each for another while."""
    outcome = Outcome()
    stops = STOPS_SECONDS[:1] if chance.brief else STOPS_SECONDS
    async with AsyncExitStack() as calls:
        talks = [await calls.enter_async_context(talk(stage, "talker")) for _ in stops]
        await asyncio.sleep(chance.moment(5))
        backs = await asyncio.gather(*(_stop(call, seconds) for call, seconds in zip(talks, stops, strict=True)))
        for call, back in zip(talks, backs, strict=True):
            outcome.add(call, back, doubled_seconds=AT_ONCE_SECONDS)
    return outcome


async def remembers(stage: Stage, chance: Chance) -> Outcome:
    """SIGKILL, after the caller has told its name; the next agent is asked for it."""
    outcome = Outcome()
    async with talk(stage) as call:
        caller = call.caller
        await caller.ear.silence(1.0, ANSWER_SECONDS)
        await _ask(call, "my name is john")
        await asyncio.sleep(chance.moment(3))
        call.strike()
        os.kill(call.pid, signal.SIGKILL)
        back = await call.back()
        if back is not None:
            await caller.ear.silence(1.0, ANSWER_SECONDS)
            since = await _ask(call, "what is my name")
            heard = caller.ear.render(caller.clock.now())[round(since * caller.ear.rate) :]
            understood = await asyncio.to_thread(understand, heard, [KNOWN, UNKNOWN, GREETED])
            if "your name is john" not in " ".join(understood):
                back = None
                outcome.remarks.append(f"asked for the name, the next agent said: {' '.join(understood)!r}")
        outcome.add(call, back)
    return outcome


async def _ask(call: Talk, words: str) -> float:
    asked = await call.caller.say(speech(words))
    await call.caller.answer(asked.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
    return asked.end


async def _stop(call: Talk, seconds: float) -> float | None:
    call.strike()
    os.kill(call.pid, signal.SIGSTOP)
    try:
        back = asyncio.create_task(call.back())
        await asyncio.sleep(seconds)
    finally:
        # Meanwhile its worker may have killed it as a stray, and nobody else can have got its number yet.
        if psutil.pid_exists(call.pid):
            os.kill(call.pid, signal.SIGCONT)
    await is_gone(call.pid)
    return await back


async def is_gone(pid: int) -> None:
    async def gone() -> bool:
        return not psutil.pid_exists(pid)

    await until(gone, LEAVING_SECONDS)
