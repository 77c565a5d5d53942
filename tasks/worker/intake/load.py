"""The CPU load, as a fraction of what this worker may use: quick to rise and slow to fall."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

from tasks.settings import cpu
from tasks.settings.cpu import CpuLimit

SAMPLE_SECONDS = 0.5
RECENT = 2
"""So many samples, a second, are enough to show that the load rises; one alone may be the start of a process."""

logger = logging.getLogger("switchboard.tasks.worker")


class CpuLoad:
    """A moving average of the load, of which `sample` is called every SAMPLE_SECONDS.

    `source`: a file with one number, read in the place of the CPU. `limits`: reads the limits of the CPU.
    """

    def __init__(
        self, window_seconds: float, source: Path | None = None, limits: Callable[[], list[CpuLimit]] = cpu.limits
    ) -> None:
        self._samples: deque[float] = deque(maxlen=max(RECENT, round(window_seconds / SAMPLE_SECONDS)))
        self._source = source
        self._read_limits = limits
        self._read_at, self._limits = time.monotonic(), limits()

    @property
    def cores(self) -> float:
        """The number of cores that may be busy at once."""
        return min(limit.cores for limit in self._limits)

    @property
    def level(self) -> float:
        """The load, 0 to 1: the average over the window or over the last second, the higher of the two.

        Before the first sample it is 1: a worker takes no call before it knows its host.
        """
        samples = list(self._samples)
        if not samples:
            return 1.0
        return max(fmean(samples), fmean(samples[-RECENT:]))

    def sample(self) -> None:
        """Take one sample, of the time since the last one."""
        self._samples.append(self._measure() if self._source is None else self._read(self._source))

    def _measure(self) -> float:
        """Return the load since the last sample: that of the limit which is used most."""
        before, began = {limit.name: limit for limit in self._limits}, self._read_at
        self._read_at, self._limits = time.monotonic(), self._read_limits()
        seconds = self._read_at - began
        used = [
            (limit.busy_seconds - before[limit.name].busy_seconds) / (seconds * limit.cores)
            for limit in self._limits
            if limit.name in before and seconds > 0
        ]
        # A limit that is new says nothing yet.
        return min(1.0, max(0.0, *used)) if used else 1.0

    def _read(self, source: Path) -> float:
        try:
            return float(source.read_text("utf-8"))
        except (OSError, ValueError):
            logger.warning("load file cannot be read; the host counts as full", extra={"path": str(source)})
            return 1.0
