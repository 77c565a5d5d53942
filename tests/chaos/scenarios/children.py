"""Faults of the child of a call."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack

import psutil

from ops.caller.voice import recognise, speech
from tasks.rooms import State
from tests.acceptance.installation import ANSWER_SECONDS
from tests.chaos.conversation import ObservedCall, start_call
from tests.chaos.installation import ChaosInstallation
from tests.chaos.scenario import Outcome, Variation
from tests.support.waiting import until

PAUSES_SECONDS = (8.0, 20.0, 60.0)
LEAVING_SECONDS = 20.0
BLOCKED_SECONDS = 8.0
FOR_GOOD_SECONDS = 3600.0
FOR_GOOD_LIMIT_SECONDS = 30.0
OVERLAP_SECONDS = 0.5
"""Time in which a child that resumes after a pause may be heard beside the one that has taken its call over."""
KNOWN = "Your name is John."
UNKNOWN = "You have not told me your name yet."
GREETED = "Nice to meet you, John."


async def killed(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Kill the child."""
    outcome = Outcome()
    async with start_call(installation) as call:
        await asyncio.sleep(variation.delay(5))
        call.mark_fault()
        os.kill(call.pid, signal.SIGKILL)
        outcome.add(call, await call.wait_for_replacement())
    return outcome


async def blocked_for_a_while(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Block the child's event loop for 8 s. The agent keeps its call: the caller hears a pause."""
    outcome = Outcome()
    async with start_call(installation, "talker") as call:
        await asyncio.sleep(variation.delay(5))
        call.mark_fault()
        _block(installation, call, BLOCKED_SECONDS)
        await asyncio.sleep(BLOCKED_SECONDS + 4)
        room = await installation.reaches(call.room.sid, State.RUNNING)
        if room.attempt != call.room.attempt:
            outcome.remarks.append("the agent was replaced")
        outcome.add(call, None if room.attempt != call.room.attempt else call.longest_silence())
    return outcome


async def blocked_for_good(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Block the child's event loop for good."""
    outcome = Outcome()
    async with start_call(installation, "talker") as call:
        await asyncio.sleep(variation.delay(5))
        call.mark_fault()
        _block(installation, call, FOR_GOOD_SECONDS)
        back = await call.wait_for_replacement(FOR_GOOD_LIMIT_SECONDS)
        await is_gone(call.pid)
        outcome.add(call, back)
    return outcome


async def paused(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Pause the children of several calls at the same time, each for another time, and resume them."""
    outcome = Outcome()
    pauses = PAUSES_SECONDS[:1] if variation.brief else PAUSES_SECONDS
    async with AsyncExitStack() as stack:
        calls = [await stack.enter_async_context(start_call(installation, "talker")) for _ in pauses]
        await asyncio.sleep(variation.delay(5))
        recoveries = await asyncio.gather(*(_pause(call, seconds) for call, seconds in zip(calls, pauses, strict=True)))
        for call, back in zip(calls, recoveries, strict=True):
            outcome.add(call, back, allowed_overlap=OVERLAP_SECONDS)
    return outcome


async def conversation_kept(installation: ChaosInstallation, variation: Variation) -> Outcome:
    """Kill the child after the caller has told its name, and ask the next agent for the name."""
    outcome = Outcome()
    async with start_call(installation) as call:
        caller = call.caller
        await caller.listener.wait_for_silence(1.0, ANSWER_SECONDS)
        await _ask(call, "my name is john")
        await asyncio.sleep(variation.delay(3))
        call.mark_fault()
        os.kill(call.pid, signal.SIGKILL)
        back = await call.wait_for_replacement()
        if back is not None:
            await caller.listener.wait_for_silence(1.0, ANSWER_SECONDS)
            since = await _ask(call, "what is my name")
            heard = caller.listener.render(caller.clock.now())[round(since * caller.listener.rate) :]
            understood = await asyncio.to_thread(recognise, heard, [KNOWN, UNKNOWN, GREETED])
            if "your name is john" not in " ".join(understood):
                back = None
                outcome.remarks.append(f"asked for the name, the next agent said: {' '.join(understood)!r}")
        outcome.add(call, back)
    return outcome


async def _ask(call: ObservedCall, words: str) -> float:
    asked = await call.caller.say(speech(words))
    await call.caller.wait_for_answer(asked.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
    return asked.end


def _block(installation: ChaosInstallation, call: ObservedCall, seconds: float) -> None:
    name = f"{call.room.sid}:{call.room.attempt}"
    # In one step: the agent looks for it all the time.
    unfinished = installation.folder / f"{name}.new"
    unfinished.write_text(str(seconds))
    unfinished.rename(installation.folder / name)


async def _pause(call: ObservedCall, seconds: float) -> float | None:
    call.mark_fault()
    os.kill(call.pid, signal.SIGSTOP)
    try:
        back = asyncio.create_task(call.wait_for_replacement())
        await asyncio.sleep(seconds)
    finally:
        # Its worker may have killed it meanwhile, as a stale child. Its process id cannot have been reused yet.
        if psutil.pid_exists(call.pid):
            os.kill(call.pid, signal.SIGCONT)
    await is_gone(call.pid)
    return await back


async def is_gone(pid: int) -> None:
    async def gone() -> bool:
        return not psutil.pid_exists(pid)

    await until(gone, LEAVING_SECONDS)
