"""A CPU quota for the worker of a side, as if it had a host of its own: callers and servers do not take from it.

Needs root, and the cpu controller of cgroups, version 1 or 2. See https://docs.kernel.org/scheduler/sched-bwc.html.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bench.processes import Tree

CGROUPS = Path("/sys/fs/cgroup")
PERIOD_US = 10_000
"""A process that has used up its share waits for less than this: shorter than a frame of audio."""
MOVED_SECONDS = 5.0


class QuotaUnavailable(Exception):
    """This host gives no quota, for the reason in the message."""


@contextmanager
def cpu_quota(tree: Tree, cores: float) -> Iterator[None]:
    """Let these processes, and all that they start, use no more than `cores`, until the end of the block.

    Raises QuotaUnavailable.
    """
    root = _root()
    group = root / f"switchboard-bench-{os.getpid()}"
    try:
        group.mkdir()
        _limit(group, round(cores * PERIOD_US))
        _move(lambda: [process.pid for process in tree.processes()], group)
    except OSError as error:
        _remove(group, root)
        raise QuotaUnavailable(f"a cgroup cannot be made below {root}: {error.strerror}") from error
    try:
        yield
    finally:
        _remove(group, root)


def _root() -> Path:
    if (version_1 := CGROUPS / "cpu").is_dir():
        return version_1
    with suppress(OSError):
        if "cpu" in (CGROUPS / "cgroup.subtree_control").read_text("ascii").split():
            return CGROUPS
    raise QuotaUnavailable(f"there is no cpu controller for cgroups below {CGROUPS}")


def _limit(group: Path, quota_us: int) -> None:
    if (period := group / "cpu.cfs_period_us").exists():
        period.write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(quota_us))
    else:
        (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")


def _pids(group: Path) -> list[int]:
    return [int(pid) for pid in (group / "cgroup.procs").read_text("ascii").split()]


def _move(pids: Callable[[], Iterable[int]], group: Path) -> None:
    """Move processes until there is none left outside: one that is moved may just have started another one.

    One that has ended and has not been waited for cannot be moved.
    """
    ends = time.monotonic() + MOVED_SECONDS
    while (outside := set(pids()) - set(_pids(group))) and time.monotonic() < ends:
        for pid in outside:
            with suppress(ProcessLookupError):
                (group / "cgroup.procs").write_text(str(pid))


def _remove(group: Path, root: Path) -> None:
    ends = time.monotonic() + MOVED_SECONDS
    while group.is_dir() and time.monotonic() < ends:
        for pid in _pids(group):
            with suppress(OSError):
                (root / "cgroup.procs").write_text(str(pid))
        with suppress(OSError):
            group.rmdir()
