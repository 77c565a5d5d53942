"""A caller who asks the same question again and again, and notes how long each answer took to come."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from livekit import rtc

from ops.caller.caller import Caller
from ops.caller.channel import Samples
from ops.caller.ear import FRAME_MS
from ops.caller.errors import CallError
from tests.bench.side import Side

QUESTION = "What is your address?"
QUIET_SECONDS = 0.6
PATIENCE_SECONDS = 5.0
GREETING_SECONDS = 10.0
LONGEST_SECONDS = 20.0
PAUSE_SECONDS = (0.3, 1.0)


@dataclass(frozen=True, slots=True)
class Reply:
    """At `at`, of the monotonic clock, an answer was over, or was given up.

    `seconds`: from the end of the question to the first sound; inf if there was none. `lasted`: and to the last one.
    """

    at: float
    seconds: float
    lasted: float


class Conversation:
    """One call; `talk` lasts until it is cancelled. `greeted`: its agent was heard."""

    def __init__(self, side: Side, question: Samples) -> None:
        self.replies: list[Reply] = []
        self.greeted = False
        self._side = side
        self._question = question

    async def talk(self) -> None:
        try:
            async with self._side.call() as caller:
                await caller.ear.sound(0, GREETING_SECONDS)
                self.greeted = True
                await caller.ear.silence(QUIET_SECONDS, LONGEST_SECONDS)
                while True:
                    self.replies.append(await self._ask(caller))
                    await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
        except (CallError, rtc.ConnectError):
            self.replies.append(_none())

    async def _ask(self, caller: Caller) -> Reply:
        asked = await caller.say(self._question)
        try:
            await caller.ear.sound(asked.end, PATIENCE_SECONDS)
        except CallError:
            return _none()
        began = caller.clock.now() - FRAME_MS / 1000
        await caller.ear.silence(QUIET_SECONDS, LONGEST_SECONDS)
        return Reply(time.monotonic(), began - asked.end, caller.clock.now() - QUIET_SECONDS - began)


def _none() -> Reply:
    return Reply(time.monotonic(), float("inf"), 0.0)
