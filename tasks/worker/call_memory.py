"""The memory of calls: the log warns, then a call is handed over to a fresh child, then its child is killed.

A call's memory is that of all its processes. Pages that several of them share, or that a child still shares with the
worker, count in proportion (PSS), so an agent's own pool of processes cannot hide what it takes. Files do not count:
the kernel can take their pages back.

Reading that exactly takes milliseconds, as the kernel walks the page tables. So first a bound is read, which takes
microseconds, and almost always it is under the limits.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tasks.call.drain import HAND_OVER_SECONDS
from tasks.call.scoreboard import Scoreboard
from tasks.worker import call_processes
from tasks.worker.call_killer import CallKiller, RunningCall

AT_ONCE = 2.0
"""A call over so many times its limit is killed at once: it takes more than a hand-over has time for."""

_KB_IN_MB = 1024

logger = logging.getLogger("switchboard.tasks.worker")


@dataclass(slots=True)
class _Watched:
    warned: bool = False
    handing_over_since: float | None = None


class CallMemory:
    """The memory limits of a worker's calls."""

    def __init__(self, scoreboard: Scoreboard, killer: CallKiller) -> None:
        self._scoreboard = scoreboard
        self._killer = killer
        self._watched: dict[int, _Watched] = {}

    def check(self, calls: Iterable[RunningCall]) -> None:
        """Compare the calls with their limits."""
        calls = list(calls)
        self._watched = {call.pid: self._watched.get(call.pid, _Watched()) for call in calls}
        for call in calls:
            self._check(call, self._watched[call.pid])

    def _check(self, call: RunningCall, watched: _Watched) -> None:
        row = self._scoreboard.row(call.index)
        limits = row.memory_limits
        lowest = min((limit for limit in (limits.warn_mb, limits.limit_mb) if limit), default=0.0)
        if not lowest:
            return
        processes = call_processes.tree(call.pid)
        if bound_mb(processes) <= lowest:
            return
        memory = memory_mb(processes)
        fields = call.fields | {"memory_mb": round(memory), "limit_mb": limits.limit_mb, "processes": len(processes)}
        if limits.warn_mb and memory > limits.warn_mb and not watched.warned:
            watched.warned = True
            logger.warning("call takes much memory", extra=fields | {"warn_mb": limits.warn_mb})
        if not limits.limit_mb or memory <= limits.limit_mb:
            return
        now = time.monotonic()
        reason = f"over its memory limit of {limits.limit_mb:.0f} MB"
        if memory > limits.limit_mb * AT_ONCE:
            self._killer.kill(call, f"{reason}, at {memory:.0f} MB")
        elif watched.handing_over_since is None:
            watched.handing_over_since = now
            logger.error("call over its memory limit; handing it over", extra=fields)
            row.request_hand_over()
        elif now - watched.handing_over_since > HAND_OVER_SECONDS:
            self._killer.kill(call, f"{reason}, and not handed over within {HAND_OVER_SECONDS:.0f} s")


def bound_mb(processes: Iterable[int]) -> float:
    """Return a bound of `memory_mb` that is read quickly."""
    return sum(_sum_mb(pid, "status", {"RssAnon", "RssShmem", "VmSwap"}) for pid in processes)


def memory_mb(processes: Iterable[int]) -> float:
    """Return the memory of these processes in MB, without files. Pages shared with others count in proportion."""
    return sum(_sum_mb(pid, "smaps_rollup", {"Pss_Anon", "Pss_Shmem", "SwapPss"}) for pid in processes)


def _sum_mb(pid: int, name: str, fields: set[str]) -> float:
    try:
        lines = Path(f"/proc/{pid}/{name}").read_text("ascii", errors="replace").splitlines()
    except OSError:
        return 0.0
    found = (line.partition(":") for line in lines)
    return sum(int(value.split()[0]) for field, _, value in found if field in fields) / _KB_IN_MB
