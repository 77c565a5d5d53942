"""Processes that are forked from one which has imported their modules, in place of interpreters of their own.

`forked_processes` has the processes of a stack made so: `celery -A tasks worker`, the services of uvicorn and the
`switchboard` commands that stay. What the imports themselves cost or do is seen in an interpreter of its own alone, so
the tests of `tests/acceptance` and of `own_interpreters` have those.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from ops.stack import ManagedProcess, environment
from ops.stack.process import Spawned
from tests.support import fork_server

KILLED = -9
_STARTING = threading.Lock()
# Read by the loader of programs, before there is an interpreter.
OF_THE_LOADER = ("LD_PRELOAD", "LD_LIBRARY_PATH")
# Imported when an interpreter starts.
OF_THE_INTERPRETER = "sitecustomize.py"


def server(kind: str) -> str:
    """Start the process that others are forked from, once in a lane. Return the path of its socket."""
    with _STARTING:
        return _start(kind)


@cache
def _start(kind: str) -> str:
    folder = tempfile.mkdtemp(prefix=f"switchboard-{kind}-")
    path = os.path.join(folder, "socket")  # noqa: PTH118 - a str is what asyncio takes
    process = subprocess.Popen(
        [sys.executable, "-m", fork_server.__name__, path, kind],
        env=environment.inherited(),
        # Both ends are gone with this process, and then it ends.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def stop() -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        shutil.rmtree(folder)

    atexit.register(stop)
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == b"ready\n"
    return path


class Forked:
    """A process that was forked, with what asyncio's has. The server reaps it, and sends its exit status."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        connection.settimeout(0)
        self._loop.add_reader(connection, self._read)

    async def wait(self) -> int:
        """Wait until it has ended, and return its exit status: minus the signal's number if it was killed."""
        status: int = await asyncio.shield(self._ended)
        return status

    def _read(self) -> None:
        line = self._connection.recv(fork_server.MOST_STATUS)
        self._loop.remove_reader(self._connection)
        self._connection.close()
        # Without its server it has been killed.
        self.returncode = json.loads(line)["status"] if line else KILLED
        self._ended.set_result(self.returncode)


async def spawn(process: ManagedProcess, command: list[str], kind: str) -> Forked:
    """Start a process of a stack as a fork."""
    _, _, *arguments = command
    request = {
        "arguments": arguments,
        "env": process.env,
        "cwd": str(process.directory),
        "log": str(process.log),
    }
    path = await asyncio.to_thread(server, kind)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
        connection.sendall(json.dumps(request).encode() + b"\n")
        # The server forks at once. The line after it is the exit status, perhaps of a process that has ended already.
        line = b"".join(iter(lambda: connection.recv(1), b"\n"))
        return Forked(connection, json.loads(line)["pid"])
    except BaseException:
        connection.close()
        raise


def kind_of(process: ManagedProcess, command: list[str]) -> str | None:
    """Return the server that has the modules of this command, or None if it needs an interpreter of its own."""
    if command[:2] != [sys.executable, "-m"] or any(name in process.env for name in OF_THE_LOADER):
        return None
    packages, *others = map(Path, process.env.get("PYTHONPATH", "").split(os.pathsep))
    if packages != environment.PACKAGES or any((folder / OF_THE_INTERPRETER).exists() for folder in others):
        return None
    if command[2] in {"ops.cli", "uvicorn"}:
        return fork_server.COMMANDS
    return fork_server.WORKERS if command[2:6] == ["celery", "-A", "tasks", "worker"] else None


@contextmanager
def forked_processes() -> Iterator[None]:
    """Start processes of a stack as forks, where there is a server that has their modules."""
    as_usual = ManagedProcess.spawn

    async def forked(self: ManagedProcess, command: list[str]) -> Spawned:
        kind = kind_of(self, command)
        return await as_usual(self, command) if kind is None else await spawn(self, command, kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ManagedProcess, "spawn", forked)
        yield


@contextmanager
def own_interpreters() -> Iterator[None]:
    """Start each process of a stack in an interpreter of its own again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "kind_of", lambda *_: None)
        yield
