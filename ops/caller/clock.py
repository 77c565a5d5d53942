"""One clock for everything that a caller notes."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the call began, monotonic, and what they are in unix milliseconds."""

    def __init__(self) -> None:
        self._zero = time.monotonic()
        self._unix_ms = time.time() * 1000

    def now(self) -> float:
        """Seconds since the call began."""
        return time.monotonic() - self._zero

    def unix_ms(self, seconds: float) -> int:
        """The unix time, in milliseconds, of a moment of the call."""
        return round(self._unix_ms + seconds * 1000)
