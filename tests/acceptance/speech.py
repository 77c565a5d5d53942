"""What callers say, and what they understand of what they hear."""

from __future__ import annotations

import asyncio
from functools import cache

import numpy as np

from ops.caller.caller import RATE, Caller
from ops.caller.recording import Interval, Samples
from pipeline.providers.local.espeak import speak
from pipeline.providers.local.sphinx import recognise
from tests.acceptance.installation import ANSWER_SECONDS

QUIET_SECONDS = 1.0

GREETING = "hello how can i help you"
HOURS = "we are open from nine in the morning to five in the afternoon monday to friday"
ADDRESS = "we are at twelve market street next to the train station"
WEEKEND = "no we are closed on the weekend"
STORY = "once upon a time there was a small shop at the end of a long street"
FALLBACK = "sorry i did not understand that"
WEATHER = "the weather in paris is sunny with a temperature of seventy degrees"
OFFER = "hello i am your assistant how may i help you"
SENTENCES = (GREETING, HOURS, ADDRESS, WEEKEND, STORY, FALLBACK, WEATHER, OFFER)


@cache
def utterance(text: str) -> Samples:
    """The text as a caller speaks it, at RATE."""
    pcm, rate = speak(text)
    samples = np.frombuffer(pcm, dtype=np.int16)
    length = round(len(samples) * RATE / rate)
    positions = np.linspace(0, len(samples) - 1, length)
    return np.interp(positions, np.arange(len(samples)), samples).astype(np.int16)


async def understood(samples: Samples) -> str:
    """The words that speech recognition finds in what was heard, knowing only the sentences above."""
    return " ".join(await asyncio.to_thread(recognise, samples.tobytes(), SENTENCES))


async def words_from(caller: Caller, begin: float, wanted: str = "") -> str:
    """The words that the agent says from `begin` on, once `wanted` is among them; by default, once there are any.

    On a busy machine its audio may pause before there is a word in it. Raises NoAnswer.
    """
    deadline, since = caller.clock.now() + ANSWER_SECONDS, begin
    while True:
        left = deadline - caller.clock.now()
        await caller.wait_for_answer(since, quiet_seconds=QUIET_SECONDS, timeout_seconds=left)
        since = caller.clock.now()
        words = await understood(caller.listener.render(since)[round(begin * caller.listener.rate) :])
        if words and wanted in words:
            return words


async def answered_rightly(caller: Caller) -> None:
    """The caller is greeted, asks, and hears the answer."""
    await caller.wait_for_answer(0, quiet_seconds=QUIET_SECONDS, timeout_seconds=ANSWER_SECONDS)
    greeted = caller.clock.now()
    asked = await caller.say(utterance("what are your opening hours"))
    await caller.wait_for_answer(asked.end, quiet_seconds=QUIET_SECONDS, timeout_seconds=ANSWER_SECONDS)
    heard = caller.listener.render(caller.clock.now())
    split = round(greeted * caller.listener.rate)
    assert GREETING in await understood(heard[:split])
    assert HOURS in await understood(heard[split:])


def silent_from(agent: list[Interval], moment: float) -> float:
    """When the stretch of the agent's speech that was on at `moment` ended."""
    return next(stretch.end for stretch in agent if stretch.begin <= moment <= stretch.end)
