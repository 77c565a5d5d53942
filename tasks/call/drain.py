"""The drain of a worker: it takes no more calls, and after a while it hands those it has over to other workers.

    1st SIGTERM, INT or HUP   no more intake; calls go on for at most `drain_seconds`
    then                      each call is handed over between two turns
    2nd signal, or SIGQUIT    each call is handed over at once
    HAND_OVER_SECONDS later   a child that is still there is killed, and its room is queued like any lost call

Until the last call has left, the main process does all its work: it notices children that die, and sends its heartbeat.
It writes the drain into a few bytes of memory that its children share.
"""

from __future__ import annotations

import asyncio
import mmap
import struct
import time
from collections.abc import Callable, Coroutine
from typing import Any

HAND_OVER_SECONDS = 10.0
"""The time limit for a hand-over, from the end of the drain until the child has left its room."""
PATIENCE_SECONDS = 5.0
"""The time limit for the end of a turn, a part of HAND_OVER_SECONDS."""
POLL_SECONDS = 0.1

_MOMENT = struct.Struct("d")
_SIZE = _MOMENT.size * 2


class Drain:
    """The times of a drain, by the monotonic clock, which is the same in all processes of a host.

    Created before the first fork, read in every child.
    """

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _SIZE)

    @property
    def begun(self) -> bool:
        """True once the worker takes no more calls."""
        return self._deadline > 0

    @property
    def hand_over(self) -> bool:
        """True once calls have to be handed over, between two turns."""
        return self.begun and time.monotonic() >= self._deadline

    @property
    def forced(self) -> bool:
        """True once calls have to be handed over without waiting for the end of a turn."""
        return self._forced_at > 0

    @property
    def seconds_left(self) -> float:
        """The seconds until a child that still has a call is killed, at the latest."""
        return max(0.0, self._deadline + HAND_OVER_SECONDS - time.monotonic()) if self.begun else 0.0

    @property
    def overdue(self) -> bool:
        """True once a child that still has a call has exceeded the time limit."""
        return self.begun and time.monotonic() >= self._deadline + HAND_OVER_SECONDS

    async def due(
        self, between_turns: Callable[[float], Coroutine[Any, Any, None]], requested: Callable[[], bool]
    ) -> None:
        """Return when a child has to hand its call over: between two turns, unless it has to be at once.

        `between_turns`: returns between two turns of the call, at the latest after so many seconds. `requested`: this
        child has to hand its call over, whether or not the worker drains.
        """
        await _until(lambda: self.hand_over or requested())
        if not self.forced:
            await _first(between_turns(PATIENCE_SECONDS), _until(lambda: self.forced))

    def begin(self, seconds: float) -> None:
        """Begin the drain: calls may go on for so many seconds. A second call has no effect."""
        if not self.begun:
            self._write(0, time.monotonic() + seconds)

    def force(self) -> None:
        """Have all calls handed over at once."""
        now = time.monotonic()
        self._write(0, min(now, self._deadline) if self.begun else now)
        self._write(1, now)

    @property
    def _deadline(self) -> float:
        return self._read(0)

    @property
    def _forced_at(self) -> float:
        return self._read(1)

    def _read(self, index: int) -> float:
        moment: float
        (moment,) = _MOMENT.unpack_from(self._shared, index * _MOMENT.size)
        return moment

    def _write(self, index: int, moment: float) -> None:
        _MOMENT.pack_into(self._shared, index * _MOMENT.size, moment)


async def _until(condition: Callable[[], bool]) -> None:
    # Another process writes the memory: nothing there could wake this one.
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)


async def _first(*waits: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
