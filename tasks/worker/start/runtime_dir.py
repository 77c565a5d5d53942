"""The folder of a worker: sockets, the recorded pages and the shadow of a command.

The main process holds a lock on it (flock), by which systemd-tmpfiles leaves it alone however old its sockets are, and
other workers know that its owner lives. What a killed worker leaves is removed by its janitor, and if that was killed,
too, by the next worker that starts on the host.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL

from tasks.worker import stop_signals
from tasks.worker.sidecars import janitor

PREFIX = "switchboard-worker-"

logger = logging.getLogger("switchboard.tasks.worker")


class RuntimeDir:
    """A worker's own folder, at `path`, which only its user can read."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self._watched = False

    @classmethod
    def create(cls) -> RuntimeDir:
        """Create and lock a folder. It gets its name once it is locked: nobody takes it for an abandoned one."""
        unlocked = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
        lock = _open(unlocked)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return cls(unlocked.rename(unlocked.with_name(unlocked.name[1:])), lock)

    def use(self) -> None:
        """Have this process make its temporary files in the folder, so that they go with it."""
        tempfile.tempdir = os.environ["TMPDIR"] = str(self.path)

    def watch(self) -> None:
        """Start the janitor. Called before the first fork of a child."""
        command = [sys.executable, "-I", "-S", janitor.__file__, str(os.getpid()), str(self.path)]
        with stop_signals.held():
            # It outlives this process, so nobody waits for it.
            subprocess.Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
        self._watched = True

    def let_go(self) -> None:
        """Give up the lock in a child, which has inherited it: the worker's death has to release it."""
        os.close(self._lock)

    def remove(self) -> None:
        """Remove the folder of a worker that stops before it has a janitor.

        The janitor removes it when this process has ended: until then multiprocessing has a folder in it.
        """
        if not self._watched:
            shutil.rmtree(self.path, ignore_errors=True)


def remove_abandoned(parent: Path) -> None:
    """Remove the folders in `parent` of workers of this user that have ended without doing it."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: Path) -> None:
    """Remove a folder, if it is one of this user and nobody holds its lock. Raises OSError.

    The processes of its worker's calls end, too.
    """
    lock = _open(folder)
    try:
        status = os.fstat(lock)
        if status.st_uid != os.geteuid() or not (folder / janitor.SCOREBOARD).exists():
            return
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        janitor.kill_rest(str(folder))
        shutil.rmtree(folder)
        logger.info("folder of a killed worker removed", extra={"path": str(folder)})
    finally:
        os.close(lock)


def _open(folder: Path) -> int:
    # Not through a link that somebody else has put there.
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
