"""Redis' clock, watched for steps: leases and waits are by it, and no step of it says anything about a call."""

from __future__ import annotations

import time
from collections.abc import Callable

TOLERANCE_MS = 1000
"""A deviation up to this is no step. Leases are longer, and clocks that are only slewed deviate by less."""


class RedisClock:
    """Redis' clock as one process reads it, compared with the process's own, which is monotonic.

    `monotonic`: seconds of that.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._read: tuple[int, float, float] | None = None
        self._steps: list[tuple[float, int]] = []

    def read(self, now_ms: int, asked: float) -> int:
        """Take note of a reading, unix ms, that was asked for at a time of the process's clock, in seconds.

        Returns the step since the reading before, in ms: 0 for none, negative for one back.
        """
        answered = self._monotonic()
        previous, self._read = self._read, (now_ms, asked, answered)
        if previous is None:
            return 0
        before_ms, before_asked, before_answered = previous
        shown_ms = now_ms - before_ms
        least_ms, most_ms = (asked - before_answered) * 1000, (answered - before_asked) * 1000
        if least_ms - TOLERANCE_MS <= shown_ms <= most_ms + TOLERANCE_MS:
            return 0
        step = round(shown_ms - (least_ms + most_ms) / 2)
        self._steps.append((answered, step))
        return step

    @property
    def latest_ms(self) -> int | None:
        """The most that it can show now, unix ms, unless it has stepped forward since the last reading."""
        if self._read is None:
            return None
        now_ms, asked, _ = self._read
        return now_ms + round((self._monotonic() - asked) * 1000) + TOLERANCE_MS

    def stepped_forward_ms(self, seconds: float) -> int:
        """Return by how many ms it has stepped forward within so many seconds: a wait only seems to be that longer."""
        since = self._monotonic() - seconds
        return sum(step for at, step in self._steps if at >= since and step > 0)
