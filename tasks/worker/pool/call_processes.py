"""The processes of a call: its child, and whatever its agent has started. They end with the call.

A child leads a session of its own, so a signal to the worker's process group reaches neither it nor its agent's
processes, and one to the child's group reaches those. It is a subreaper (prctl's PR_SET_CHILD_SUBREAPER): a process
whose parent has ended, as that of a daemon, stays a descendant of the child. The main process is one, too: when a child
ends, in whatever way, the kernel gives what is left of its call to the main process, and `Orphans` ends it.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tasks.worker.sidecars.janitor import ENVIRONMENT_VARIABLE, belongs

_PR_SET_CHILD_SUBREAPER = 36
_prctl = getattr(ctypes.CDLL(None), "prctl", None)

GRACE_SECONDS = 3.0
"""The time that an orphan has to end after SIGTERM."""
OOM_SCORE = 300
"""Added to a child's: the kernel, out of memory, kills a call rather than the worker with all its calls."""

logger = logging.getLogger("switchboard.tasks.worker")


def lead(folder: Path) -> None:
    """Make this process, a fresh child, the leader of its call's processes. `folder`: the worker's."""
    os.setsid()
    become_subreaper()
    os.environ[ENVIRONMENT_VARIABLE] = str(folder)
    with suppress(OSError, ValueError):
        score = Path("/proc/self/oom_score_adj")
        score.write_text(str(min(1000, int(score.read_text("ascii")) + OOM_SCORE)), "ascii")


def become_subreaper() -> None:
    """Have the kernel give this process the orphans among its descendants. Does nothing where it cannot (not Linux)."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))


def kill(child: int) -> None:
    """Kill a child and the processes of its session's group with SIGKILL. They may have ended meanwhile."""
    _send(child, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def terminate_rest(child: int) -> None:
    """Send SIGTERM to what is left of the group of a child that has ended, and has not been waited for."""
    _send(child, signal.SIGTERM)


def tree(child: int) -> list[int]:
    """Return a child and all its descendants; what has ended meanwhile may be among them."""
    found = [child]
    for pid in found:
        found.extend(_children(pid))
    return found


class Orphans:
    """The processes that calls have left in a worker. They get SIGTERM, and SIGKILL after the grace time.

    Created in the main process before the first fork of a child: what it has started by then is none.
    """

    def __init__(self, folder: Path) -> None:
        """Begin to watch. `folder`: the worker's, by which its processes are known."""
        become_subreaper()
        self._folder = str(folder)
        self._own = {process.pid for process in psutil.Process().children()}
        self._session = os.getsid(0)
        self._since: dict[int, float] = {}

    def check(self, known: set[int]) -> None:
        """End the orphans, and wait for those that have ended. `known`: the children and the sidecars."""
        now = time.monotonic()
        self._since = {pid: self._since.get(pid, now) for pid in self._find(known)}
        for pid, since in self._since.items():
            overdue = now - since >= GRACE_SECONDS
            if since == now or overdue:
                logger.info("ending a process that its call has left", extra={"pid": pid, "killed": overdue})
                _signal(pid, signal.SIGKILL if overdue else signal.SIGTERM)

    def kill(self, known: set[int]) -> None:
        """Kill the orphans, when the worker stops."""
        for pid in self._find(known):
            _signal(pid, signal.SIGKILL)

    def _find(self, known: set[int]) -> list[int]:
        """Return the orphans that live, and wait for those that do not.

        Where this is the first process of a container, it gets the orphans of others, too, such as `docker exec`.
        """
        found = []
        for pid in _children(os.getpid()) - known - self._own:
            with suppress(ProcessLookupError, ChildProcessError):
                # What this process has started itself is in its session, as its parent may wait for it.
                if os.getsid(pid) == self._session or os.waitpid(pid, os.WNOHANG)[0]:
                    continue
                if belongs(pid, self._folder):
                    found.append(pid)
        return found


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _send(child: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        # Before it leads a group, the group of its number does not exist.
        os.killpg(child, number)


def _children(pid: int) -> set[int]:
    """Return the children of a process, those included that have ended; an empty set if it has ended itself."""
    children: set[int] = set()
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            # Each belongs to the thread that has started it.
            children.update(map(int, (thread / "children").read_text("ascii").split()))
    except OSError:
        # It has ended, or a thread of it; or the kernel was built without this.
        with suppress(psutil.Error):
            return {process.pid for process in psutil.Process(pid).children()}
        return set()
    return children
