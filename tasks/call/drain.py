"""The drain of a worker: it takes no more calls, and those it has go on for a while, then to another worker.

    1st SIGTERM or SIGINT   no more intake; calls go on for at most `drain_seconds`
    then                    each call is handed over between two turns
    2nd one, or SIGQUIT     each call is handed over at once
    HAND_OVER_SECONDS on    whoever is still there is killed; its room is queued again like any lost call

The main process stays what it was until the last call has left: it sees children die, and tells Redis of itself.
Children learn of the drain from a few bytes of memory that they share with it.
"""

from __future__ import annotations

import mmap
import struct
import time

HAND_OVER_SECONDS = 10.0
"""How long a child may take from the end of the drain until it has left its room."""

_MOMENT = struct.Struct("d")
_SIZE = _MOMENT.size * 2


class Drain:
    """When calls are to be handed over, on the monotonic clock, which is the same in all processes of a host.

    Made before the first fork, read in every child.
    """

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _SIZE)

    @property
    def begun(self) -> bool:
        """Whether the worker takes no more calls."""
        return self._polite > 0

    @property
    def hand_over(self) -> bool:
        """Whether calls are to be handed over, between two turns."""
        return self.begun and time.monotonic() >= self._polite

    @property
    def at_once(self) -> bool:
        """Whether they are to be handed over without waiting for the end of a turn."""
        return self._rude > 0

    @property
    def overdue(self) -> bool:
        """Whether a child that still has a call ignores the drain."""
        return self.begun and time.monotonic() >= self._polite + HAND_OVER_SECONDS

    def begin(self, seconds: float) -> None:
        """Let calls go on for so many seconds; does nothing the second time."""
        if not self.begun:
            self._write(0, time.monotonic() + seconds)

    def hurry(self) -> None:
        """Have all calls handed over now."""
        now = time.monotonic()
        self._write(0, min(now, self._polite) if self.begun else now)
        self._write(1, now)

    @property
    def _polite(self) -> float:
        return self._read(0)

    @property
    def _rude(self) -> float:
        return self._read(1)

    def _read(self, place: int) -> float:
        moment: float
        (moment,) = _MOMENT.unpack_from(self._shared, place * _MOMENT.size)
        return moment

    def _write(self, place: int, moment: float) -> None:
        _MOMENT.pack_into(self._shared, place * _MOMENT.size, moment)


DRAIN = Drain()
"""This worker's. One for the process and its children, because the memory is shared by inheritance."""
