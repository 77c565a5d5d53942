"""CPU seconds and memory of processes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

MB = 1 << 20


class Tree:
    """The processes with these ids and all their descendants."""

    def __init__(self, roots: Iterable[int]) -> None:
        self.roots = list(roots)

    @property
    def main(self) -> int:
        """The first process."""
        return self.roots[0]

    def processes(self) -> list[psutil.Process]:
        """Return all running processes."""
        processes: dict[int, psutil.Process] = {}
        for root in self.roots:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(root)
                processes |= {one.pid: one for one in (process, *process.children(recursive=True))}
        return list(processes.values())

    def cpu_seconds(self) -> float:
        """Return the CPU time that they, and their children that have ended, have used so far."""
        return sum(_cpu_seconds(process) for process in self.processes())

    def pss_mb(self) -> float:
        """Return their memory; shared memory is divided among its processes."""
        return sum(pss_mb(process.pid) for process in self.processes())

    def connected_to(self, port: int) -> set[int]:
        """Return the processes that have a TCP connection to this port."""
        connected = set()
        for process in self.processes():
            with suppress(psutil.Error):
                if any(getattr(to.raddr, "port", None) == port for to in process.net_connections("tcp")):
                    connected.add(process.pid)
        return connected


def pss_mb(pid: int) -> float:
    """Return the memory of a process, with its share of shared memory; 0 if it has ended."""
    return _rollup(pid).get("Pss", 0) / MB


def private_mb(pid: int) -> float:
    """Return the memory that only this process has; 0 if it has ended."""
    rollup = _rollup(pid)
    return (rollup.get("Private_Clean", 0) + rollup.get("Private_Dirty", 0)) / MB


def _rollup(pid: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
    except OSError:
        return {}
    return {name.rstrip(":"): int(kilobytes) * 1024 for name, kilobytes, *_ in map(str.split, lines)}


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
