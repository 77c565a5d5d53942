"""The cache folder, which keeps downloaded and compiled servers."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.setup.progress import Progress

POLL_SECONDS = 0.5


def folder() -> Path:
    """Return `$XDG_CACHE_HOME/livekit-switchboard` or `~/.cache/livekit-switchboard`, and create it if necessary."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says that a relative path is to be ignored.
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    path = root / "livekit-switchboard"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def only_one(name: str, progress: Progress) -> Iterator[None]:
    """Hold the lock `name` of the cache folder, so that two set-ups at the same time do the work once.

    The lock is the kernel's and goes with the process, so that a killed set-up blocks nobody.
    """
    with (folder() / f"{name}.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                progress.tick(f"waiting for another set-up of {name}")
                time.sleep(POLL_SECONDS)
        yield
