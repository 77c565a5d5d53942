"""The wave of calls: from 2 at a time to 12 and back, and what each caller hears."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from livekit import rtc

from ops.caller.caller import Caller, caller_token
from ops.caller.errors import CallError
from ops.stack.livekit import LiveKitServer

LOW, HIGH = 2, 12
LENGTH_SECONDS = (45.0, 90.0)
TENANTS = ("a1", "a2", "a3", "a4")
"""Several, as a queue holds two unclaimed rooms of a tenant."""
PATIENCE_SECONDS = 60.0
SILENCE_SECONDS = 1.0
"""An agent hums without a pause: a longer silence is time without an agent."""


def demand(at: float, seconds: float) -> int:
    """Return the calls at a time of a wave that takes so many seconds."""
    return round(LOW + (HIGH - LOW) * (1 - math.cos(2 * math.pi * min(at, seconds) / seconds)) / 2)


@dataclass(slots=True)
class HeardCall:
    """A call as its caller has heard it; times since the begin of the rehearsal. `gaps`: times without an agent.

    `cut_off`: the caller's own connection to LiveKit was away, so that what it heard says nothing about the agent.
    """

    room: str
    began: float
    sid: str = ""
    first_sound: float | None = None
    last_sound: float | None = None
    ended: float | None = None
    gaps: list[float] = field(default_factory=list)
    error: str = ""
    cut_off: bool = False

    def cut_off_now(self) -> None:
        """Note that the caller's own connection is away."""
        self.cut_off = True


class Wave:
    """The callers. `run` returns when the wave is over and all have left."""

    def __init__(self, server: LiveKitServer, now: Callable[[], float], seconds: float, seed: int) -> None:
        self.calls: list[HeardCall] = []
        self._server = server
        self._now = now
        self._seconds = seconds
        self._rng = random.Random(seed)
        self._callers: set[asyncio.Task[None]] = set()

    @property
    def active(self) -> int:
        """The callers that are there now."""
        return len(self._callers)

    async def run(self) -> None:
        """Have as many callers as the wave wants, for as long as it takes."""
        while self._now() < self._seconds:
            while self.active < demand(self._now(), self._seconds):
                self._call()
            await asyncio.sleep(0.5)
        if self._callers:
            await asyncio.wait(self._callers)

    def _call(self) -> None:
        number = len(self.calls) + 1
        tenant = TENANTS[number % len(TENANTS)]
        call = HeardCall(f"call-{tenant}-{number}", self._now())
        self.calls.append(call)
        task = asyncio.create_task(self._attend(call, self._rng.uniform(*LENGTH_SECONDS)))
        self._callers.add(task)
        task.add_done_callback(self._callers.discard)

    async def _attend(self, call: HeardCall, seconds: float) -> None:
        token = caller_token(
            self._server.api_key, self._server.api_secret, room=call.room, identity=f"caller-{call.room}"
        )
        try:
            async with Caller.call(self._server.url, token, low_cpu=True) as caller:
                offset = self._now() - caller.clock.now()
                call.sid = caller.room_sid
                caller.room.on("reconnecting", call.cut_off_now)
                try:
                    await caller.listener.wait_for_sound(0.0, PATIENCE_SECONDS)
                    await asyncio.sleep(max(0.0, call.began + seconds - self._now()))
                finally:
                    call.ended = self._now()
                    heard = caller.listener.audible_intervals(SILENCE_SECONDS)
                    if heard:
                        call.first_sound = heard[0].begin + offset
                        call.last_sound = heard[-1].end + offset
                        call.gaps = [later.begin - earlier.end for earlier, later in itertools.pairwise(heard)]
        except (CallError, rtc.ConnectError) as error:
            call.error = f"{type(error).__name__}: {error}"
            call.ended = self._now()
