"""Token buckets: how many calls a second each API key and each tenant may request.

A bucket holds `burst` tokens at first and never more, and gets `per_second` of them each second. A call takes one. The
buckets are this receiver's alone: a limit that all receivers share would cost each call a round trip to Redis, and the
permits (`max_calls`) already bound what a tenant can occupy.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from webhooks.problems import RateExceeded

MOST_BUCKETS = 10_000
"""Full buckets are forgotten when there are so many: they are like new ones."""


class CallRates:
    """The buckets of one receiver."""

    def __init__(self, *, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        # subject -> the time at which its bucket is full again
        self._full_at: dict[tuple[str, str], float] = {}

    def take(self, subject: str, name: str) -> None:
        """Take a token from the bucket of this name. Raises RateExceeded, which says when there is one again."""
        now = self._clock()
        full_at = max(now, self._full_at.get((subject, name), now)) + 1 / self._per_second
        missing = (full_at - now) - self._burst / self._per_second
        # A rounding error is no token.
        if missing > 1e-9:  # noqa: PLR2004
            raise RateExceeded(subject=subject, seconds=math.ceil(missing))
        if len(self._full_at) >= MOST_BUCKETS:
            self._full_at = {key: time for key, time in self._full_at.items() if time > now}
        self._full_at[subject, name] = full_at
