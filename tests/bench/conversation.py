"""A caller who asks the same question again and again, and notes how long each answer took to come."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from livekit import rtc

from ops.caller.caller import Caller
from ops.caller.errors import CallError
from ops.caller.recording import Samples
from tests.bench.side import Side

QUESTION = "What is your address?"
QUIET_SECONDS = 0.6
PATIENCE_SECONDS = 5.0
GREETING_SECONDS = 15.0
LONGEST_SECONDS = 20.0
PAUSE_SECONDS = (0.3, 1.0)


@dataclass(frozen=True, slots=True)
class Reply:
    """At `at`, of the monotonic clock, an answer was over or given up. `calls`: how many there were at the question.

    `seconds`: from the end of the question to the first sound; inf if there was none. `lasted`: and to the last one.
    """

    at: float
    seconds: float
    lasted: float
    calls: int


class Conversation:
    """One call; `talk` lasts until it is cancelled. `greeted` is set when its agent was heard (`answered`) or never is.

    `called`: when it began, of the monotonic clock.
    """

    def __init__(self, side: Side, question: Samples, calls: Callable[[], int] = lambda: 1) -> None:
        self.replies: list[Reply] = []
        self.greeted = asyncio.Event()
        self.answered = False
        self.called = time.monotonic()
        self._side = side
        self._question = question
        self._calls = calls

    async def talk(self) -> None:
        try:
            async with self._side.call(thrifty=True) as caller:
                await caller.ear.sound(0, GREETING_SECONDS)
                self.answered = True
                self.greeted.set()
                await caller.ear.silence(QUIET_SECONDS, LONGEST_SECONDS)
                while True:
                    self.replies.append(await self._ask(caller))
                    await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
        except (CallError, rtc.ConnectError):
            self.replies.append(_none(self._calls()))
        finally:
            self.greeted.set()

    async def _ask(self, caller: Caller) -> Reply:
        asked = await caller.say(self._question)
        calls = self._calls()
        try:
            await caller.ear.sound(asked.end, PATIENCE_SECONDS)
        except CallError:
            return _none(calls)
        began = caller.clock.now() - caller.ear.frame_ms / 1000
        await caller.ear.silence(QUIET_SECONDS, LONGEST_SECONDS)
        return Reply(time.monotonic(), began - asked.end, caller.clock.now() - QUIET_SECONDS - began, calls)


def _none(calls: int) -> Reply:
    return Reply(time.monotonic(), float("inf"), 0.0, calls)
