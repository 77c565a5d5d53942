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
from collections import deque
from contextlib import suppress
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_prctl = getattr(ctypes.CDLL(None), "prctl", None)

ENVIRONMENT_VARIABLE = "SWITCHBOARD_CHILD"
"""Set in a child to its process id, and so in the environment of each program that its agent starts."""
GRACE_SECONDS = 3.0
"""The time that an orphan has to end after SIGTERM."""
OOM_SCORE = 300
"""Added to a child's: the kernel, out of memory, kills a call rather than the worker with all its calls."""
REMEMBERED_SESSIONS = 1000

logger = logging.getLogger("switchboard.tasks.worker")


def lead() -> None:
    """Make this process, a fresh child, the leader of its call's processes."""
    os.setsid()
    become_subreaper()
    os.environ[ENVIRONMENT_VARIABLE] = str(os.getpid())
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
    """Return a child and all its descendants; an empty list if it has ended."""
    try:
        process = psutil.Process(child)
        return [child, *(descendant.pid for descendant in process.children(recursive=True))]
    except psutil.Error:
        return []


class Orphans:
    """What is left of the calls of a worker that are over: SIGTERM, and SIGKILL after the grace time.

    Created in the main process before the first fork of a child: what it has started by then is none.
    """

    def __init__(self) -> None:
        become_subreaper()
        self._own = {process.pid for process in psutil.Process().children()}
        self._session = os.getsid(0)
        self._command = _read("self", "cmdline")
        self._sessions: deque[int] = deque(maxlen=REMEMBERED_SESSIONS)
        self._since: dict[int, float] = {}

    def remember(self, child: int) -> None:
        """Remember that a child leads a session."""
        self._sessions.append(child)

    def check(self, known: set[int]) -> None:
        """End the orphans, and wait for those that have ended. `known`: the children and the sidecars."""
        now = time.monotonic()
        found = {pid for pid in _children() if pid not in known and pid not in self._own and self._is_orphan(pid)}
        self._since = {pid: self._since.get(pid, now) for pid in found}
        for pid, since in self._since.items():
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    continue
            overdue = now - since >= GRACE_SECONDS
            if since == now or overdue:
                logger.info("ending a process that its call has left", extra={"pid": pid, "killed": overdue})
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL if overdue else signal.SIGTERM)

    def kill(self, known: set[int]) -> None:
        """Kill the orphans, when the worker stops."""
        for pid in _children() - known - self._own:
            if self._is_orphan(pid):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

    def _is_orphan(self, pid: int) -> bool:
        """Return whether a child of this process was left by a call.

        Where this is the first process of a container, it gets the orphans of others, too, such as `docker exec`.
        """
        try:
            session = os.getsid(pid)
        except ProcessLookupError:
            return False
        if session == self._session:
            return False
        # Of those with a session of their own, a program has the variable, and a mere fork the worker's command line.
        # One that has ended has neither, and only has to be waited for.
        marked = f"{ENVIRONMENT_VARIABLE}=".encode() in _read(pid, "environ")
        return session in self._sessions or marked or _read(pid, "cmdline") in {self._command, b""}


def _send(child: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        # Before it leads a group, the group of its number does not exist.
        os.killpg(child, number)


def _children() -> set[int]:
    """Return the children of this process, those included that have ended."""
    try:
        return {
            int(pid) for thread in Path("/proc/self/task").iterdir() for pid in (thread / "children").read_text().split()
        }
    except OSError:
        return {process.pid for process in psutil.Process().children()}


def _read(pid: int | str, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
