"""A caller who repeats one question, and measures the time to each answer."""

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

QUIET_SECONDS = 0.6
TIMEOUT_SECONDS = 5.0
GREETING_SECONDS = 15.0
ANSWER_SECONDS = 20.0
PAUSE_SECONDS = (0.3, 1.0)
TRIES = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, which was over (or given up) at `at` of the monotonic clock.

    `seconds`: from the end of the question to the first sound, to 10 ms; inf if there was none. `length`: from the
    first sound to the last one. `calls`: the number of simultaneous calls at the question.
    """

    at: float
    seconds: float
    length: float
    calls: int


async def start_conversations(
    side: Side, count: int, question: Samples, *, tenant: str = "bench"
) -> dict[asyncio.Task[None], Conversation]:
    """Start `count` calls, one after another, as the built-in side answers only some of a burst.

    A caller who is not answered calls again, `TRIES` times at most, so that both sides get the same number of calls.
    """
    calls: dict[asyncio.Task[None], Conversation] = {}
    for _ in range(count):
        for _ in range(TRIES):
            conversation = Conversation(side, question, lambda: len(calls), tenant=tenant)
            call = asyncio.create_task(conversation.talk())
            await conversation.greeted.wait()
            if conversation.answered:
                calls[call] = conversation
                break
            await asyncio.wait({call})
    return calls


class Conversation:
    """One call. `talk` runs until it is cancelled.

    `greeted` is set when the agent was heard, with `answered`, or when the call has failed. `began`: the time of the
    call by the monotonic clock.
    """

    def __init__(
        self, side: Side, question: Samples, calls: Callable[[], int] = lambda: 1, *, tenant: str = "bench"
    ) -> None:
        self.replies: list[Reply] = []
        self.greeted = asyncio.Event()
        self.answered = False
        self.began = time.monotonic()
        self._side = side
        self._tenant = tenant
        self._question = question
        self._calls = calls

    async def talk(self) -> None:
        try:
            async with self._side.call(self._side.new_room(self._tenant), low_cpu=True) as caller:
                await caller.listener.wait_for_sound(0, GREETING_SECONDS)
                self.answered = True
                self.greeted.set()
                await caller.listener.wait_for_silence(QUIET_SECONDS, ANSWER_SECONDS)
                while True:
                    self.replies.append(await self._ask(caller))
                    await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
        except (CallError, rtc.ConnectError):
            self.replies.append(_no_reply(self._calls()))
        finally:
            self.greeted.set()

    async def _ask(self, caller: Caller) -> Reply:
        asked = await caller.say(self._question)
        calls = self._calls()
        try:
            await caller.listener.wait_for_sound(asked.end, TIMEOUT_SECONDS)
        except CallError:
            return _no_reply(calls)
        # The frame with the sound may have begun before the question's end.
        began = min(caller.listener.onset(asked.end), caller.clock.now())
        await caller.listener.wait_for_silence(QUIET_SECONDS, ANSWER_SECONDS)
        return Reply(time.monotonic(), began - asked.end, caller.clock.now() - QUIET_SECONDS - began, calls)


def _no_reply(calls: int) -> Reply:
    return Reply(time.monotonic(), float("inf"), 0.0, calls)
