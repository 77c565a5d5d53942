"""What processes use: CPU seconds, and memory as the kernel shares it out."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

MB = 1 << 20


class Tree:
    """The processes with these ids, and all that descend from them."""

    def __init__(self, roots: Iterable[int]) -> None:
        self.roots = list(roots)

    @property
    def main(self) -> int:
        """The first one."""
        return self.roots[0]

    def processes(self) -> list[psutil.Process]:
        """All that live now."""
        found: dict[int, psutil.Process] = {}
        for root in self.roots:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(root)
                found |= {one.pid: one for one in (process, *process.children(recursive=True))}
        return list(found.values())

    def cpu_seconds(self) -> float:
        """What they have used so far, and those of their children that have ended."""
        return sum(_cpu_seconds(process) for process in self.processes())

    def pss_mb(self) -> float:
        """Their memory; what several share is divided among them."""
        return sum(pss_mb(process.pid) for process in self.processes())

    def connected_to(self, port: int) -> set[int]:
        """Those that have a TCP connection to this port."""
        connected = set()
        for process in self.processes():
            with suppress(psutil.Error):
                if any(getattr(to.raddr, "port", None) == port for to in process.net_connections("tcp")):
                    connected.add(process.pid)
        return connected


def pss_mb(pid: int) -> float:
    """The memory of one process, with its part of what it shares. 0 if it is gone."""
    return _rollup(pid).get("Pss", 0) / MB


def private_mb(pid: int) -> float:
    """The memory that would be free if this process were not there. 0 if it is gone."""
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
