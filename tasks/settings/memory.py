"""The memory that is free for this process: by its container's limit, else of the whole host.

A container's usage includes files that the kernel has read for it and can drop at any time. Those not in use
(`inactive_file`) count as free, as for the kubelet; the host's `MemAvailable` counts them so, too.
"""

from __future__ import annotations

from pathlib import Path

import psutil

from tasks.settings.cgroup import CGROUPS, OWN, each_level, first_line

MB = 1 << 20


def free_mb(cgroups: Path = CGROUPS, own: Path = OWN) -> float:
    """Return what is free now, in MB, of the host and of every limit: any may change, as when a pod is resized.

    Less than 0 where more is used than a limit that was lowered.
    """
    host = psutil.virtual_memory().available / MB
    return min([host, *each_level("memory", _version_2, _version_1, cgroups, own)])


def _version_2(cgroups: Path, level: str) -> float | None:
    folder = cgroups / level
    # Over `memory.high` the kernel slows the processes down, which calls cannot bear either.
    limits = [limit for name in ("memory.max", "memory.high") if (limit := first_line(folder / name)).isdecimal()]
    return _free_mb(min(limits, key=int, default=""), folder / "memory.current", folder / "memory.stat")


def _version_1(cgroups: Path, level: str) -> float | None:
    folder = cgroups / "memory" / level
    return _free_mb(
        first_line(folder / "memory.limit_in_bytes"), folder / "memory.usage_in_bytes", folder / "memory.stat"
    )


def _free_mb(limit: str, usage: Path, stat: Path) -> float | None:
    used = first_line(usage)
    # In version 1 a limit that nobody has set is a number, larger than any host's memory.
    if not (limit.isdecimal() and used.isdecimal()):
        return None
    return (int(limit) - max(0, int(used) - _inactive_files(stat))) / MB


def _inactive_files(stat: Path) -> int:
    try:
        fields = dict(line.split(" ", 1) for line in stat.read_text("utf-8").splitlines() if " " in line)
    except OSError:
        return 0
    # In version 1, `inactive_file` is without the levels below.
    return int(fields.get("total_inactive_file", fields.get("inactive_file", "0")))
