"""The CPU that this process may use, and how much of it is busy: by its container's quota, else of the whole host.

A container with a quota of two cores on a host of 64 is full when two are busy, which the host's load does not show.
Read from the cgroup's files, of version 2 or 1: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
and https://docs.kernel.org/scheduler/sched-bwc.html.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tasks.settings.cgroup import CGROUPS, OWN, each_level, first_line

# Guests are in user and nice already. Time that the hypervisor took away (steal) is time that calls do not get.
_BUSY = ("user", "nice", "system", "irq", "softirq", "steal")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cpu:
    """The number of `cores` that may be busy at once, and a counter of busy core seconds, which never decreases."""

    cores: float
    busy_seconds: Callable[[], float]


def available(cgroups: Path = CGROUPS, own: Path = OWN) -> Cpu:
    """Return the tightest quota that holds for this process, or the host's cores where there is none."""
    quotas = list(each_level("cpu", _version_2, _version_1, cgroups, own))
    host = Cpu(float(os.cpu_count() or 1), _host_busy_seconds)
    return min([*quotas, host], key=lambda cpu: cpu.cores)


def queued_seconds() -> float:
    """Return the time that this thread has been ready to run and other processes had the CPU; 0 if that is not told.

    See https://docs.kernel.org/scheduler/sched-stats.html.
    """
    times = first_line(Path("/proc/thread-self/schedstat")).split()
    return int(times[1]) / 1e9 if len(times) > 1 and times[1].isdecimal() else 0.0


def _host_busy_seconds() -> float:
    times = psutil.cpu_times()
    # In whole ticks, as the kernel counts: a sum of the seconds may be rounded to less than the one before.
    ticks = sum(round(getattr(times, name, 0.0) * _TICKS_PER_SECOND) for name in _BUSY)
    return ticks / _TICKS_PER_SECOND


def _version_2(cgroups: Path, level: str) -> Cpu | None:
    folder = cgroups / level
    quota, _, period = first_line(folder / "cpu.max").partition(" ")
    if not quota.isdecimal():
        return None
    return _if_readable(int(quota) / int(period), lambda: _usage_usec(folder / "cpu.stat") / 1e6)


def _version_1(cgroups: Path, level: str) -> Cpu | None:
    folder = cgroups / "cpu" / level
    quota, period = first_line(folder / "cpu.cfs_quota_us"), first_line(folder / "cpu.cfs_period_us")
    if not (quota.isdecimal() and period.isdecimal()):
        return None
    usage = cgroups / "cpuacct" / level / "cpuacct.usage"
    return _if_readable(int(quota) / int(period), lambda: int(first_line(usage)) / 1e9)


def _if_readable(cores: float, busy_seconds: Callable[[], float]) -> Cpu | None:
    try:
        busy_seconds()
    except ValueError:
        return None
    return Cpu(cores, busy_seconds)


def _usage_usec(file: Path) -> int:
    name, _, value = first_line(file).partition(" ")
    if name != "usage_usec":
        raise ValueError(f"{file} does not begin with usage_usec")
    return int(value)
