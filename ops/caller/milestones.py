"""The clock of a call, and its milestones: what the caller noticed, and when for the first time."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum


class Clock:
    """A monotonic clock that begins with the call, in seconds, with conversion to unix time."""

    def __init__(self) -> None:
        self._zero = time.monotonic()
        self._unix_ms = time.time() * 1000

    def now(self) -> float:
        """Return the seconds since the call began."""
        return time.monotonic() - self._zero

    def unix_ms(self, seconds: float) -> int:
        """Convert seconds since the call began to unix ms."""
        return round(self._unix_ms + seconds * 1000)


class Milestone(StrEnum):
    """Milestones of a call, in their usual order."""

    CONNECTED = "caller_connected"
    AGENT_JOINED = "agent_joined"
    SUBSCRIBED = "agent_subscribed"
    FIRST_FRAME = "first_frame"
    FIRST_SOUND = "first_sound"


class Milestones:
    """The first time of each milestone, in seconds since the caller began to connect."""

    def __init__(self, clock: Clock, on_milestone: Callable[[Milestone], None]) -> None:
        self._clock = clock
        self._on_milestone = on_milestone
        self._seconds: dict[Milestone, float] = {}

    def mark(self, milestone: Milestone) -> None:
        """Record that the milestone is reached now. Only the first time counts."""
        if milestone not in self._seconds:
            self._seconds[milestone] = self._clock.now()
            self._on_milestone(milestone)

    @property
    def ms(self) -> dict[Milestone, float]:
        """Milliseconds since the caller began to connect."""
        return {milestone: seconds * 1000 for milestone, seconds in self._seconds.items()}

    @property
    def unix_ms(self) -> dict[Milestone, int]:
        """The same as unix time in milliseconds."""
        return {milestone: self._clock.unix_ms(seconds) for milestone, seconds in self._seconds.items()}
