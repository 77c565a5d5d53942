"""The times between one try of a notice and the next."""

from __future__ import annotations

import random

from tasks.settings import NoticeSettings

JITTER = 0.1
"""The part of a time by which it may be shorter or longer, so that the calls of an outage do not all come at once."""
LONGEST_WISH_SECONDS = 24 * 3600.0


def delay_ms(settings: NoticeSettings, tries: int, *, wish_seconds: float | None = None) -> int | None:
    """Return the ms until the next try, when so many have failed, or None if there is none left.

    `wish_seconds`: of the backend, by its `Retry-After`. It makes the time longer and never shorter.
    """
    if tries > len(settings.delays_seconds):
        return None
    seconds = settings.delays_seconds[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
    return round(max(seconds, min(wish_seconds or 0.0, LONGEST_WISH_SECONDS)) * 1000)
