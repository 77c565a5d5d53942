"""One call, and what its caller saw of how it was answered."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from livekit import rtc

from ops.caller.errors import CallError
from ops.caller.milestones import Moment
from tests.bench.side import Side


@dataclass(frozen=True, slots=True)
class Answer:
    """Moments in ms since the caller began to connect, which was at `began_ms` of unix time; those that came."""

    sid: str
    began_ms: int
    moments_ms: dict[Moment, float]

    @property
    def connected_ms(self) -> float | None:
        """The caller was in the room."""
        return self.moments_ms.get(Moment.CONNECTED)

    @property
    def joined_ms(self) -> float | None:
        """The caller saw the agent in the room."""
        return self.moments_ms.get(Moment.AGENT_JOINED)

    @property
    def heard_ms(self) -> float | None:
        """The caller heard the agent. None: it was not answered."""
        return self.moments_ms.get(Moment.FIRST_SOUND)

    @property
    def heard_after_connecting_ms(self) -> float | None:
        """The same, since the caller was in the room."""
        if self.heard_ms is None or self.connected_ms is None:
            return None
        return self.heard_ms - self.connected_ms


async def answered(side: Side, patience_seconds: float, *, room: str | None = None, stays_seconds: float = 0) -> Answer:
    """Call, wait for the first sound, stay for a while, and hang up."""
    try:
        async with side.call(room) as caller:
            with suppress(CallError):
                await caller.ear.sound(0, max(0.0, patience_seconds - caller.clock.now()))
                await asyncio.sleep(stays_seconds)
            return Answer(caller.room_sid, caller.clock.unix_ms(0), caller.moments.ms)
    except rtc.ConnectError:
        return Answer("", 0, {})
