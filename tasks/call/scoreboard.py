"""The scoreboard: a row of shared memory for each child, by its index in the pool.

The child writes how long its start has taken, how much memory its call may take, which depends on its agent, counts its
late renewals, and says when it uploads; the worker's main process reads that, and writes that the call has to be handed
over. Created before the first fork.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

ROWS = 1024
"""More children than any worker has."""

_ROW = struct.Struct("dddd")
# Of its own, because the watchdog's thread writes it while others write the row.
_LATE = struct.Struct("q")
_START = struct.Struct("d")
_WHOLE = struct.Struct("ddddqd")


@dataclass(frozen=True, slots=True)
class MemoryLimits:
    """The memory that the processes of a call may take together, in MB. 0 is no limit.

    `warn_mb`: the log says so. `limit_mb`: the call is handed over.
    """

    warn_mb: float = 0.0
    limit_mb: float = 0.0

    def stricter(self, other: MemoryLimits) -> MemoryLimits:
        """Return the lower of each."""
        return MemoryLimits(_lower(self.warn_mb, other.warn_mb), _lower(self.limit_mb, other.limit_mb))


class Scoreboard:
    """The rows of all children."""

    def __init__(self, file: Path) -> None:
        """Create the scoreboard in a new file, by which each process that was forked from this one is known."""
        with file.open("xb+") as content:
            content.truncate(ROWS * _WHOLE.size)
            self._shared = mmap.mmap(content.fileno(), ROWS * _WHOLE.size)

    def row(self, index: int) -> ScoreboardRow:
        """Return a child's row."""
        return ScoreboardRow(self._shared, index * _WHOLE.size)

    @property
    def late_renewals(self) -> int:
        """The renewals of leases that were late, of all children that there have been."""
        return sum(late for *_, late, _ in _WHOLE.iter_unpack(self._shared))


class ScoreboardRow:
    """One child's row."""

    def __init__(self, shared: mmap.mmap, offset: int) -> None:
        self._shared = shared
        self._offset = offset

    def clear(self) -> None:
        """Forget what was written for the child's predecessor. Called by the child, before its call is known."""
        self._write(0.0, 0.0, 0.0, 0.0)

    @property
    def memory_limits(self) -> MemoryLimits:
        """The limits of the child's call."""
        warn, limit, *_ = self._read()
        return MemoryLimits(warn, limit)

    @memory_limits.setter
    def memory_limits(self, limits: MemoryLimits) -> None:
        self._write(limits.warn_mb, limits.limit_mb, *self._read()[2:])

    @property
    def late_renewals(self) -> int:
        """The late renewals of the child and of its predecessors in the row."""
        (late,) = _LATE.unpack_from(self._shared, self._offset + _ROW.size)
        return int(late)

    def count_late_renewal(self) -> None:
        """Count a renewal of the call's lease that was late."""
        _LATE.pack_into(self._shared, self._offset + _ROW.size, self.late_renewals + 1)

    @property
    def start_seconds(self) -> float:
        """The time from the child's fork until it was ready for its call, less that in which it waited for a CPU."""
        (seconds,) = _START.unpack_from(self._shared, self._offset + _ROW.size + _LATE.size)
        return float(seconds)

    def note_start(self, seconds: float) -> None:
        """Note how long the child's start has taken."""
        _START.pack_into(self._shared, self._offset + _ROW.size + _LATE.size, seconds)

    @property
    def hand_over(self) -> bool:
        """True once the child has to hand its call over, whatever the rest of the worker does."""
        return self._read()[2] > 0

    def request_hand_over(self) -> None:
        """Have the child hand its call over."""
        warn, limit, _, uploading = self._read()
        self._write(warn, limit, 1.0, uploading)

    @property
    def uploading(self) -> bool:
        """True once the child's call is over, and it uploads what was recorded of it."""
        return self._read()[3] > 0

    def note_upload(self) -> None:
        """Note that the child's call is over, and that it uploads what was recorded."""
        self._write(*self._read()[:3], 1.0)

    def _read(self) -> tuple[float, float, float, float]:
        warn, limit, hand_over, uploading = _ROW.unpack_from(self._shared, self._offset)
        return warn, limit, hand_over, uploading

    def _write(self, *fields: float) -> None:
        _ROW.pack_into(self._shared, self._offset, *fields)


def _lower(one: float, other: float) -> float:
    return min(one, other) if one and other else one or other
