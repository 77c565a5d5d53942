"""One call, and its milestones as its caller measured them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from livekit import rtc

from ops.caller.errors import CallError
from ops.caller.milestones import Milestone
from tests.bench.side import Side


@dataclass(frozen=True, slots=True)
class Answer:
    """The milestones that a call reached, in ms since the caller began to connect at `began_ms`, in unix ms."""

    sid: str
    began_ms: int
    milestones_ms: dict[Milestone, float]

    @property
    def connected_ms(self) -> float | None:
        """The time at which the caller was in the room."""
        return self.milestones_ms.get(Milestone.CONNECTED)

    @property
    def joined_ms(self) -> float | None:
        """The time at which the caller saw the agent in the room."""
        return self.milestones_ms.get(Milestone.AGENT_JOINED)

    @property
    def first_audio_ms(self) -> float | None:
        """The time at which the caller heard the agent. None: the call was not answered."""
        return self.milestones_ms.get(Milestone.FIRST_SOUND)

    @property
    def first_audio_after_connecting_ms(self) -> float | None:
        """The time of the first audio since the caller was in the room."""
        if self.first_audio_ms is None or self.connected_ms is None:
            return None
        return self.first_audio_ms - self.connected_ms


async def call_once(side: Side, timeout_seconds: float, *, room: str | None = None, stay_seconds: float = 0) -> Answer:
    """Call, wait for the first sound, stay for a while, and hang up."""
    try:
        async with side.call(room) as caller:
            with suppress(CallError):
                await caller.listener.wait_for_sound(0, max(0.0, timeout_seconds - caller.clock.now()))
                await asyncio.sleep(stay_seconds)
            return Answer(caller.room_sid, caller.clock.unix_ms(0), caller.milestones.ms)
    except rtc.ConnectError:
        return Answer("", 0, {})
