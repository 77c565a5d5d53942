"""The memory of calls: the log warns, then a call is handed over to a fresh child, then its child is killed.

A call's memory is what all its processes have beside the worker's: a page that several of them share counts once, so an
agent's own pool of processes cannot hide what it takes, and one that a child has from the worker does not count. Nor do
files: the kernel can take their pages back.

Reading that takes milliseconds, as the kernel walks the page tables. So first a bound is read, which takes
microseconds. If it is over a limit, the memory itself is read when the bound has risen, and sometimes.
"""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tasks.call.drain import HAND_OVER_SECONDS
from tasks.call.scoreboard import Scoreboard
from tasks.worker.pool import call_processes
from tasks.worker.pool.call_killer import CallKiller, RunningCall

AT_ONCE = 2.0
"""A call over so many times its limit is killed at once: it takes more than a hand-over has time for."""

RISE_MB = 20.0
READ_SECONDS = 10.0

_KB_IN_MB = 1024

logger = logging.getLogger("switchboard.tasks.worker")


@dataclass(slots=True)
class _Watched:
    warned: bool = False
    read_at: float = 0.0
    bound_mb: float = 0.0
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
        if not self._is_due(watched, bound_mb(processes), lowest):
            return
        memory = memory_mb(processes)
        fields = call.fields | {"memory_mb": round(memory), "limit_mb": limits.limit_mb, "processes": len(processes)}
        if limits.warn_mb and memory > limits.warn_mb and not watched.warned:
            watched.warned = True
            logger.warning("call takes much memory", extra=fields | {"warn_mb": limits.warn_mb})
        if not limits.limit_mb or memory <= limits.limit_mb:
            return
        now = time.monotonic()
        # A hand-over has its time limit.
        watched.read_at = 0.0
        reason = f"over its memory limit of {limits.limit_mb:.0f} MB"
        if memory > limits.limit_mb * AT_ONCE:
            self._killer.kill(call, f"{reason}, at {memory:.0f} MB")
        elif watched.handing_over_since is None:
            watched.handing_over_since = now
            logger.error("call over its memory limit; handing it over", extra=fields)
            row.request_hand_over()
        elif now - watched.handing_over_since > HAND_OVER_SECONDS:
            self._killer.kill(call, f"{reason}, and not handed over within {HAND_OVER_SECONDS:.0f} s")

    @staticmethod
    def _is_due(watched: _Watched, bound: float, lowest: float) -> bool:
        """Return whether the memory of a call has to be read now. `lowest`: of its limits, in MB."""
        now = time.monotonic()
        if bound <= lowest or (bound < watched.bound_mb + RISE_MB and now - watched.read_at < READ_SECONDS):
            return False
        watched.read_at, watched.bound_mb = now, bound
        return True


def bound_mb(processes: Iterable[int]) -> float:
    """Return a bound of `memory_mb` that is read quickly."""
    return sum(_read_mb(pid, "status")[field] for pid in processes for field in ("RssAnon", "RssShmem", "VmSwap"))


def memory_mb(processes: Iterable[int]) -> float:
    """Return the memory in MB that these processes have beside this one's, from which they were forked."""
    inherited = _shared_mb(_read_mb(os.getpid(), "smaps_rollup"))
    total = 0.0
    for pid in processes:
        memory = _read_mb(pid, "smaps_rollup")
        # What a forked process still shares with the worker is at most as much, and a program shares nothing with it.
        total += memory["Pss_Anon"] + memory["Pss_Shmem"] + memory["SwapPss"] - min(_shared_mb(memory), inherited)
    return total


def _shared_mb(memory: Mapping[str, float]) -> float:
    """Return a process' share of the memory that it shares with others, without files."""
    return max(0.0, memory["Pss_Anon"] - memory["Private_Dirty"])


def _read_mb(pid: int, name: str) -> Mapping[str, float]:
    """Return the fields of a file in /proc in MB; 0 for each that it does not have."""
    found: defaultdict[str, float] = defaultdict(float)
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/{name}").read_text("ascii", errors="replace").splitlines():
            field, _, value = line.partition(":")
            if value.endswith(" kB"):
                found[field] = int(value.split()[0]) / _KB_IN_MB
    return found
