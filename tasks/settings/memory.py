"""The memory that this process may use, and how much of it is free: by its container's limit, else of the whole host.

A container's usage includes files that the kernel has read for it and can drop at any time. Those not in use
(`inactive_file`) count as free, as for the kubelet; the host's `MemAvailable` counts them so, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tasks.settings.cgroup import CGROUPS, OWN, each_level, first_line

MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory that there is at most, in MB, and a reader of what is free of it now."""

    total_mb: float
    read_free_mb: Callable[[], float]


def available(cgroups: Path = CGROUPS, own: Path = OWN) -> Memory:
    """Return the memory of the host, and of every limit that holds for this process: what is free is free in all."""
    limits = [_host(), *each_level("memory", _version_2, _version_1, cgroups, own)]
    return Memory(
        min(limit.total_mb for limit in limits),
        lambda: min(limit.read_free_mb() for limit in limits),
    )


def _host() -> Memory:
    return Memory(psutil.virtual_memory().total / MB, lambda: psutil.virtual_memory().available / MB)


def _version_2(cgroups: Path, level: str) -> Memory | None:
    folder = cgroups / level
    # Over `memory.high` the kernel slows the processes down, which calls cannot bear either.
    limits = [limit for name in ("memory.max", "memory.high") if (limit := first_line(folder / name)).isdecimal()]
    return _limited(min(limits, key=int, default=""), folder / "memory.current", folder / "memory.stat")


def _version_1(cgroups: Path, level: str) -> Memory | None:
    folder = cgroups / "memory" / level
    return _limited(
        first_line(folder / "memory.limit_in_bytes"), folder / "memory.usage_in_bytes", folder / "memory.stat"
    )


def _limited(limit: str, usage: Path, stat: Path) -> Memory | None:
    # In version 1 a limit that nobody has set is a number larger than any host's memory.
    if not limit.isdecimal() or not first_line(usage).isdecimal():
        return None
    most = int(limit) / MB
    if most >= psutil.virtual_memory().total / MB:
        return None

    def free_mb() -> float:
        used = first_line(usage)
        # A cgroup whose files are gone is one that this process has been moved out of.
        return most - max(0, int(used) - _inactive_files(stat)) / MB if used.isdecimal() else most

    return Memory(most, free_mb)


def _inactive_files(stat: Path) -> int:
    try:
        fields = dict(line.split(" ", 1) for line in stat.read_text("utf-8").splitlines() if " " in line)
    except OSError:
        return 0
    # In version 1, `inactive_file` is without the levels below.
    return int(fields.get("total_inactive_file", fields.get("inactive_file", "0")))
