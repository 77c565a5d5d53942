"""The limits of the CPU that this process may use, and how much of each is busy.

A container with a quota of two cores on a host of 64 is full when two are busy, and so is a process that may run on two
CPUs only (`docker run --cpuset-cpus`, `taskset`, a pod with exclusive CPUs). The host's load does not show either. The
quotas are read from the cgroup's files, of version 2 or 1:
https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files and
https://docs.kernel.org/scheduler/sched-bwc.html.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

from tasks.settings.cgroup import CGROUPS, OWN, each_level, first_line

STAT = Path("/proc/stat")

# Guests are in user and nice already. Time that the hypervisor took away (steal) is time that calls do not get.
_BUSY = ("user", "nice", "system", "irq", "softirq", "steal")
_BUSY_COLUMNS = (1, 2, 3, 6, 7, 8)
"""The same, in a line of /proc/stat: https://docs.kernel.org/filesystems/proc.html."""
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class CpuLimit:
    """So many `cores` may be busy at once, and this is what has been used of them. `name`: a cgroup's, or the CPUs'.

    `busy_seconds`: core seconds since some moment. They never decrease while the name is the same.
    """

    name: str
    cores: float
    busy_seconds: float


def limits(cgroups: Path = CGROUPS, own: Path = OWN) -> list[CpuLimit]:
    """Return all limits that hold now: any may change while this process runs, as when a pod is resized.

    That of the CPUs is left out where a quota is tighter: others may keep these CPUs busy, and the quota still be kept.
    """
    quotas = list(each_level("cpu", _version_2, _version_1, cgroups, own))
    cpus = _usable_cpus()
    count = float(len(cpus) or os.cpu_count() or 1)
    if any(quota.cores < count for quota in quotas):
        return quotas
    if cpus:
        return [*quotas, CpuLimit(f"CPUs {sorted(cpus)}", count, _busy_seconds(cpus))]
    return [*quotas, CpuLimit("host", count, _host_busy_seconds())]


def cores() -> float:
    """Return the number of cores that may be busy at once."""
    return min(limit.cores for limit in limits())


def queued_seconds() -> float:
    """Return the time that this thread has been ready to run and other processes had the CPU; 0 if that is not told.

    See https://docs.kernel.org/scheduler/sched-stats.html.
    """
    times = first_line(Path("/proc/thread-self/schedstat")).split()
    return int(times[1]) / 1e9 if len(times) > 1 and times[1].isdecimal() else 0.0


def _usable_cpus() -> Collection[int]:
    """Return the CPUs that this process may run on; none if it may run on all of them, or the system does not tell."""
    tell: Callable[[int], Collection[int]] | None = getattr(os, "sched_getaffinity", None)
    cpus = tell(0) if tell else ()
    return cpus if len(cpus) < (os.cpu_count() or 1) else ()


def _busy_seconds(cpus: Collection[int]) -> float:
    names = {f"cpu{cpu}" for cpu in cpus}
    lines = (line.split() for line in STAT.read_text("ascii").splitlines())
    ticks = sum(int(line[column]) for line in lines if line and line[0] in names for column in _BUSY_COLUMNS)
    return ticks / _TICKS_PER_SECOND


def _host_busy_seconds() -> float:
    times = psutil.cpu_times()
    # In whole ticks, as the kernel counts: a sum of the seconds may be rounded to less than the one before.
    ticks = sum(round(getattr(times, name, 0.0) * _TICKS_PER_SECOND) for name in _BUSY)
    return ticks / _TICKS_PER_SECOND


def _version_2(cgroups: Path, level: str) -> CpuLimit | None:
    folder = cgroups / level
    quota, _, period = first_line(folder / "cpu.max").partition(" ")
    name, _, used = first_line(folder / "cpu.stat").partition(" ")
    if not (quota.isdecimal() and period.isdecimal() and name == "usage_usec" and used.isdecimal()):
        return None
    return CpuLimit(str(folder), int(quota) / int(period), int(used) / 1e6)


def _version_1(cgroups: Path, level: str) -> CpuLimit | None:
    folder = cgroups / "cpu" / level
    quota, period = first_line(folder / "cpu.cfs_quota_us"), first_line(folder / "cpu.cfs_period_us")
    used = first_line(cgroups / "cpuacct" / level / "cpuacct.usage")
    if not (quota.isdecimal() and period.isdecimal() and used.isdecimal()):
        return None
    return CpuLimit(str(folder), int(quota) / int(period), int(used) / 1e9)
