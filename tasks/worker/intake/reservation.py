"""CPU that calls just started will use, and that the load does not show yet.

A burst of calls finds a quiet host: by the time the load rises they all have been started, and none of them can be
heard. So each call holds a reservation from its start on, which decreases as the moving average comes to show the call
itself. Its size is learned from what the calls on this host have used in the same period after their start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import psutil

LEARNING = 0.2
"""The weight of the newest call in what is reserved."""
LEAST, MOST = 0.2, 4.0
"""The reservation stays within these multiples of the configured one, whatever some odd calls have used."""


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used so far; 0 if it is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


@dataclass(slots=True)
class _Call:
    started_at: float
    pid: int | None = None
    learned: bool = False


class Reservations:
    """The reservations of a worker's calls.

    `cores_per_call`: the first reservation of a call; 0 turns reservations off. `window_seconds`: that of the load,
    after which it shows the whole call.
    """

    def __init__(
        self,
        cores_per_call: float,
        window_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[int], float] = cpu_seconds,
    ) -> None:
        self._configured = cores_per_call
        self._window = window_seconds
        self._clock = clock
        self._used = used
        self._used_before: dict[int, float] = {}
        self._calls: dict[str, _Call] = {}
        self.cores_per_call = cores_per_call
        """What a call that starts now reserves."""

    @property
    def cores(self) -> float:
        """The sum of all reservations now."""
        now = self._clock()
        return self.cores_per_call * sum(
            max(0.0, 1 - self._age(call, now) / self._window) for call in self._calls.values()
        )

    def add(self, task: str) -> None:
        """Reserve for a task that starts, by its id."""
        # Turned off, `update` does nothing, and so would not forget it.
        if self._configured:
            self._calls[task] = _Call(self._clock())

    def update(self, tasks: Mapping[str, int | None], children: Iterable[int]) -> None:
        """Drop the calls that have ended, and learn from the others. Called as often as the load is sampled.

        `tasks`: those that have not ended, each with the pid of its child if it has one. `children`: all pids.
        """
        if not self._configured:
            return
        now = self._clock()
        self._calls = {task: call for task, call in self._calls.items() if task in tasks}
        for task, call in self._calls.items():
            call.pid = tasks[task]
            if not call.learned and call.pid is not None and self._age(call, now) >= self._window:
                call.learned = True
                self._learn(self._used(call.pid) - self._used_before.get(call.pid, 0.0), self._age(call, now))
        # What a child has used for its prewarm is not its call's.
        busy = set(tasks.values())
        before = self._used_before
        self._used_before = {pid: before[pid] if pid in busy and pid in before else self._used(pid) for pid in children}

    @staticmethod
    def _age(call: _Call, now: float) -> float:
        return now - call.started_at

    def _learn(self, used_seconds: float, seconds: float) -> None:
        cores = self.cores_per_call * (1 - LEARNING) + LEARNING * used_seconds / seconds
        self.cores_per_call = min(self._configured * MOST, max(self._configured * LEAST, cores))
