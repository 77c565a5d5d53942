"""When what happened for the first time, as the caller saw it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from ops.caller.clock import Clock


class Moment(StrEnum):
    """What a caller waits for, in the order in which it comes."""

    CONNECTED = "caller_connected"
    AGENT_JOINED = "agent_joined"
    SUBSCRIBED = "agent_subscribed"
    FIRST_FRAME = "first_frame"
    FIRST_SOUND = "first_sound"


class Moments:
    """The first time of each moment, in seconds since the caller began to connect."""

    def __init__(self, clock: Clock, on_moment: Callable[[Moment], None]) -> None:
        self._clock = clock
        self._on_moment = on_moment
        self._seconds: dict[Moment, float] = {}

    def mark(self, moment: Moment) -> None:
        """Note that it happens now; only the first time counts."""
        if moment not in self._seconds:
            self._seconds[moment] = self._clock.now()
            self._on_moment(moment)

    @property
    def ms(self) -> dict[Moment, float]:
        """Milliseconds since the caller began to connect."""
        return {moment: seconds * 1000 for moment, seconds in self._seconds.items()}

    @property
    def unix_ms(self) -> dict[Moment, int]:
        """The same as unix time in milliseconds."""
        return {moment: self._clock.unix_ms(seconds) for moment, seconds in self._seconds.items()}
