"""How busy this host is: a moving average of the CPU load, as a fraction of all cores."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE_SECONDS = 0.5

logger = logging.getLogger("switchboard.tasks.worker")


class CpuLoad:
    """`sample` is called every SAMPLE_SECONDS; `average` is over the window. `source`, if given, is read instead."""

    def __init__(self, window_seconds: float, source: Path | None = None) -> None:
        self._samples: deque[float] = deque(maxlen=max(1, round(window_seconds / SAMPLE_SECONDS)))
        self._source = source
        # The first reading of psutil has nothing to compare with.
        psutil.cpu_percent(interval=None)

    @property
    def average(self) -> float:
        """0 to 1. Before the first sample it is 1: a worker takes no call before it knows its host."""
        return sum(self._samples) / len(self._samples) if self._samples else 1.0

    def sample(self) -> None:
        """Take one sample; of the time since the last one."""
        load = psutil.cpu_percent(interval=None) / 100 if self._source is None else self._read(self._source)
        self._samples.append(load)

    def _read(self, source: Path) -> float:
        try:
            return float(source.read_text("utf-8"))
        except (OSError, ValueError):
            logger.warning("the load file cannot be read; the host counts as full", extra={"path": str(source)})
            return 1.0
