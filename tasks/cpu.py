"""How much CPU this process may use, and how much of it is used: by its container's quota, else of the whole host.

A container with a quota of two cores on a host of 64 is full when two are busy, and the host's load says nothing of it.
Read from the cgroup's files, of version 2 or 1: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
and https://docs.kernel.org/scheduler/sched-bwc.html.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class Cpu:
    """`cores` that may be busy at once, and a reading of the core seconds that were, since some moment in the past."""

    cores: float
    busy_seconds: Callable[[], float]


def available(cgroups: Path = CGROUPS, own: Path = OWN) -> Cpu:
    """The tightest quota that holds for this process, or the host's cores where there is none."""
    quotas = list(_quotas(cgroups, own))
    host = Cpu(float(os.cpu_count() or 1), _host_busy_seconds)
    return min([*quotas, host], key=lambda cpu: cpu.cores)


def _host_busy_seconds() -> float:
    times = psutil.cpu_times()
    # Guests are in user and nice already; time that the hypervisor took away is time that calls do not get.
    idle = times.idle + getattr(times, "iowait", 0.0)
    return float(sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0))


def _quotas(cgroups: Path, own: Path) -> Iterator[Cpu]:
    try:
        lines = own.read_text("utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _found(_version_2, cgroups, path)
        elif "cpu" in controllers.split(","):
            yield from _found(_version_1, cgroups, path)


def _found(version: Callable[[Path, str], Cpu | None], cgroups: Path, path: str) -> Iterator[Cpu]:
    # A quota holds for all that is below it. In a container, what the path begins with may not be visible.
    place = path.strip("/")
    while True:
        cpu = version(cgroups, place)
        if cpu is not None:
            yield cpu
        if not place:
            return
        place = place.rpartition("/")[0]


def _version_2(cgroups: Path, place: str) -> Cpu | None:
    folder = cgroups / place
    quota, _, period = _first_line(folder / "cpu.max").partition(" ")
    if not quota.isdecimal():
        return None
    return _readable(int(quota) / int(period), lambda: _usage_usec(folder / "cpu.stat") / 1e6)


def _version_1(cgroups: Path, place: str) -> Cpu | None:
    folder = cgroups / "cpu" / place
    quota, period = _first_line(folder / "cpu.cfs_quota_us"), _first_line(folder / "cpu.cfs_period_us")
    if not (quota.isdecimal() and period.isdecimal()):
        return None
    usage = cgroups / "cpuacct" / place / "cpuacct.usage"
    return _readable(int(quota) / int(period), lambda: int(_first_line(usage)) / 1e9)


def _readable(cores: float, busy_seconds: Callable[[], float]) -> Cpu | None:
    try:
        busy_seconds()
    except ValueError:
        return None
    return Cpu(cores, busy_seconds)


def _first_line(file: Path) -> str:
    try:
        return file.read_text("utf-8").partition("\n")[0].strip()
    except OSError:
        return ""


def _usage_usec(file: Path) -> int:
    name, _, value = _first_line(file).partition(" ")
    if name != "usage_usec":
        msg = f"{file} does not begin with usage_usec"
        raise ValueError(msg)
    return int(value)
