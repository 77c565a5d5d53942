"""The cgroups of this process: the files of a controller, of version 2 or 1, at each level that holds for it.

See https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/admin-guide/cgroup-v1/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")

T = TypeVar("T")
Reader = Callable[[Path, str], T | None]
"""Reads one level: the folder of all cgroups, and the level's path below it. None if the level says nothing."""


def each_level(
    controller: str, version_2: Reader[T], version_1: Reader[T], cgroups: Path = CGROUPS, own: Path = OWN
) -> Iterator[T]:
    """Yield what each level says, this process' own first: a limit holds for all levels below it."""
    try:
        lines = own.read_text("utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _upwards(version_2, cgroups, path)
        elif controller in controllers.split(","):
            yield from _upwards(version_1, cgroups, path)


def first_line(file: Path) -> str:
    """Return the first line of a file; "" if it cannot be read."""
    try:
        return file.read_text("utf-8").partition("\n")[0].strip()
    except OSError:
        return ""


def _upwards(read: Reader[T], cgroups: Path, path: str) -> Iterator[T]:
    # In a container, the path's first levels may not be visible.
    level = path.strip("/")
    while True:
        found = read(cgroups, level)
        if found is not None:
            yield found
        if not level:
            return
        level = level.rpartition("/")[0]
