"""Estimate of the remaining wait of a room, from the lengths of the last calls."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

from tasks.rooms import CallRecord, CallState, RoomStore, Wait

# (up to this many seconds, rounded up to a multiple of these): callers need no more, and each change costs a request.
ROUNDING = ((60, 5), (300, 15), (math.inf, 60))


@dataclass(frozen=True, slots=True)
class EstimateConfig:
    """Age and number of the call records that are used."""

    records: int = 100
    refresh_seconds: float = 10.0
    unknown_refresh_seconds: float = 2.0
    """While a waiting room has no estimate, as after the first calls of an installation."""


DEFAULTS = EstimateConfig()


class WaitEstimate:
    """Mean lengths of the last calls by tenant and tier. Read again when they are old or incomplete."""

    def __init__(self, config: EstimateConfig = DEFAULTS) -> None:
        self._config = config
        self._read_at = float("-inf")
        self._lengths: dict[tuple[str, str], float] = {}

    async def refresh(self, rooms: RoomStore, waits: Iterable[Wait]) -> None:
        """Read the newest call records if it is time to, for these waits. Raises what Redis raises."""
        complete = all(self._length(wait) is not None for wait in waits)
        max_age = self._config.refresh_seconds if complete else self._config.unknown_refresh_seconds
        if time.monotonic() - self._read_at >= max_age:
            self._lengths = mean_lengths(await rooms.list_call_records(self._config.records))
            self._read_at = time.monotonic()

    def wait_seconds(self, wait: Wait) -> int | None:
        """Return the seconds until it is this room's turn, or None if there is nothing to estimate them from.

        While the tenant has n calls of length t, one of them ends every t / n.
        """
        length = self._length(wait)
        if length is None or wait.running <= 0:
            return None
        seconds = wait.position * length / wait.running
        step = next(step for limit, step in ROUNDING if seconds <= limit)
        return math.ceil(seconds / step) * step

    def _length(self, wait: Wait) -> float | None:
        return self._lengths.get(("tenant", wait.tenant), self._lengths.get(("tier", wait.tier)))


def mean_lengths(records: Iterable[CallRecord]) -> dict[tuple[str, str], float]:
    """Return the mean seconds from claim to end, by (`tenant` or `tier`, its name)."""
    lengths: dict[tuple[str, str], list[float]] = {}
    for record in records:
        # A dead one has not been a call, and one that nobody has claimed was none either.
        if record.state is CallState.ENDED and "claimed" in record.steps_ms and "ended" in record.steps_ms:
            seconds = (record.steps_ms["ended"] - record.steps_ms["claimed"]) / 1000
            for key in (("tenant", record.tenant), ("tier", record.tier)):
                lengths.setdefault(key, []).append(seconds)
    return {key: sum(each) / len(each) for key, each in lengths.items()}
