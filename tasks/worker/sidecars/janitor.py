"""The janitor: a process that outlives its worker, and removes what a killed one has left.

`python -I -S janitor.py <pid of the worker> <runtime directory>`. A worker that is killed takes its children with it,
by the death signal, but not what their agents have started, nor its folder. A script of the standard library alone: it
takes 4 MB, and has nothing to do until the worker has ended, in whatever way.

A process belongs to a worker if it was forked, as it has the worker's scoreboard in its memory, or if it was started by
such a process, as it has the worker's folder in its environment.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time

ENVIRONMENT_VARIABLE = "LIVEKIT_SWITCHBOARD_WORKER"
"""Set in a child to its worker's folder, and so in the environment of each program that its agent starts."""
SCOREBOARD = "scoreboard"
"""The file in the worker's folder that each process has mapped."""
POLL_SECONDS = 0.5
ROUNDS = 20
ROUND_SECONDS = 0.1


def belongs(pid: int, folder: str) -> bool:
    """Return whether a process was started by a child of the worker with this folder, or is a child of it."""
    variable = f"{ENVIRONMENT_VARIABLE}={folder}\0".encode()
    mapping = f"{folder}/{SCOREBOARD}".encode()
    return variable in _read(pid, "environ") + b"\0" or mapping in _read(pid, "maps")


def kill_rest(folder: str) -> None:
    """Kill the processes of a worker that has ended, until there is none. Those of other users are left alone."""
    for _ in range(ROUNDS):
        left = [pid for pid in _processes() if pid != os.getpid() and belongs(pid, folder)]
        if not left:
            return
        for pid in left:
            _kill(pid)
        time.sleep(ROUND_SECONDS)


def main(worker: int, folder: str) -> None:
    """Wait for the end of the worker, and clean up."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _wait(worker)
    kill_rest(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _wait(worker: int) -> None:
    try:
        ended = os.pidfd_open(worker)
    except (AttributeError, OSError):
        pass
    else:
        if os.getppid() == worker:
            select.select([ended], [], [])
    while os.getppid() == worker:
        time.sleep(POLL_SECONDS)


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - as below


def _read(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:  # noqa: PTH123 - pathlib would be half of its memory
            return file.read()
    except OSError:
        return b""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
