"""The liveness of the main process: the time of its main loop, in a file that the health check reads.

It says that the loop turns, and nothing about Redis: a worker whose Redis is away is alive, as its calls go on and it
waits. A restart would end them. The time is the monotonic clock's, which all processes of a host share and which no
step of the host's clock changes.

Only the standard library is imported here: Kubernetes starts a health check every few seconds on each worker, and to
import Redis' client takes longer than the check.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

FILE = "liveness"
FOLDERS = "switchboard-worker-*"
"""The folders of workers: see `tasks.worker.start.runtime_dir`."""
LIVE_SECONDS = 60.0
"""Each name that is looked up while the name server is away holds the loop up, for 10 s by default."""


class Liveness:
    """The file of one worker. `mark` is called by the main loop, also while that waits for Redis."""

    def __init__(self, folder: Path, node: str) -> None:
        self._node = node
        self._file = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def mark(self) -> None:
        """Write the time. One write of always the same length, so that a reader never sees a part."""
        os.pwrite(self._file, f"{_uptime_ms():020d} {self._node}\n".encode(), 0)


def seconds_since_mark(node: str, parent: Path | None = None) -> float | None:
    """Return the seconds since the main loop of this node was last seen, or None if it never was on this host.

    A killed worker of the same name may have left a folder, too; the later mark counts.
    """
    marks = []
    for file in (parent or Path(tempfile.gettempdir())).glob(f"{FOLDERS}/{FILE}"):
        try:
            at, _, marked = file.read_text("utf-8").rstrip("\n").partition(" ")
        except OSError:
            # Removed in this moment, or another user's.
            continue
        if marked == node:
            marks.append(int(at))
    return (_uptime_ms() - max(marks)) / 1000 if marks else None


def _uptime_ms() -> int:
    # Never rounded up: a mark would be of the future.
    return int(time.monotonic() * 1000)
