"""How long somebody in line has still to wait, from how long the last calls took."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from tasks.rooms import CallRecord, RoomStore, Wait

RECORDS = 100
FRESH_SECONDS = 10.0
# While nothing is known of somebody who waits, as after the first calls of an installation.
UNKNOWN_SECONDS = 2.0
# (up to so many seconds, rounded up to multiples of so many): a caller wants no more, and each change costs a request.
ROUNDING = ((60, 5), (300, 15), (math.inf, 60))


class Estimate:
    """The lengths of the last calls, by tenant and by tier, read again when they are old or do not tell enough."""

    def __init__(self) -> None:
        self._read = float("-inf")
        self._lengths: dict[tuple[str, str], float] = {}

    async def refresh(self, rooms: RoomStore, waits: Iterable[Wait]) -> None:
        """Read the newest records if it is time, for those who wait. Raises what Redis raises."""
        fresh_seconds = FRESH_SECONDS if all(self._length(wait) is not None for wait in waits) else UNKNOWN_SECONDS
        if time.monotonic() - self._read >= fresh_seconds:
            self._lengths = mean_lengths(await rooms.call_records(RECORDS))
            self._read = time.monotonic()

    def wait_seconds(self, wait: Wait) -> int | None:
        """How long until it is this room's turn; None where nothing is known to tell it from.

        While its tenant has n calls of length t, one of them ends every t / n.
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
    """(`tenant` or `tier`, its name) -> seconds from claim to end, on average."""
    lengths: dict[tuple[str, str], list[float]] = {}
    for record in records:
        if "claimed" in record.steps_ms and "ended" in record.steps_ms:
            seconds = (record.steps_ms["ended"] - record.steps_ms["claimed"]) / 1000
            for key in (("tenant", record.tenant), ("tier", record.tier)):
                lengths.setdefault(key, []).append(seconds)
    return {key: sum(those) / len(those) for key, those in lengths.items()}
