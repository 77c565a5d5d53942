"""The log of rejected webhooks: a line for each reason and API key, and again after a while with their number.

Anybody who reaches the receiver can send requests that are rejected, so neither the lines nor the keys that are
remembered may grow with them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from webhooks.errors import Rejection

INTERVAL_SECONDS = 10.0
MOST_KEYS = 20
KEY_LENGTH = 64

logger = logging.getLogger("switchboard.webhooks")


class RejectionLog:
    """The rejections of one receiver, of which each kind is logged at most once in `interval_seconds`."""

    def __init__(
        self, *, interval_seconds: float = INTERVAL_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = interval_seconds
        self._clock = clock
        self._logged_at: dict[tuple[str, str], float] = {}
        self._suppressed: dict[tuple[str, str], int] = {}

    def record(self, rejection: Rejection, issuer: str | None) -> None:
        """Log a rejection. `issuer`: the API key that the token names, which nobody has verified."""
        key = "" if issuer is None else "".join(filter(str.isprintable, issuer))[:KEY_LENGTH]
        kind = (rejection.reason, key)
        now = self._clock()
        self._logged_at = {kind: at for kind, at in self._logged_at.items() if now - at < self._interval}
        if len(self._logged_at) >= MOST_KEYS:
            kind = (rejection.reason, "")
        if kind in self._logged_at:
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return
        self._logged_at[kind] = now
        fields = {"reason": rejection.reason, "problem": str(rejection), "key": key or None}
        logger.warning("webhook rejected", extra=fields | {"suppressed": self._suppressed.pop(kind, 0)})
        if len(self._suppressed) > MOST_KEYS:
            self._suppressed.clear()
