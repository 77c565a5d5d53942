"""A process that has imported modules, and forks itself for each `python -m MODULE` that it is sent.

Most of what a short process costs is its imports: half a second of CPU for a command, and 1.6 of the two seconds of a
worker's start, again for each of some hundred in the tests. A fork is a process of its own with its own environment,
arguments and standard streams, and it ends as any other one.

What is imported beforehand must neither read the environment nor start a thread.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

COMMANDS = "commands"
"""The `switchboard` commands, the receiver and the console."""
WORKERS = "workers"

# Neither `ops.cli` nor `tasks.celery`, which read the settings or are run as the main module.
PRELOADED = MappingProxyType(
    {
        COMMANDS: (
            "livekit.api",
            "ops.commands.calls.erase",
            "ops.commands.calls.listing",
            "ops.commands.calls.operations",
            "ops.commands.calls.show",
            "ops.commands.calls.why",
            "ops.commands.database",
            "ops.commands.dead_letters",
            "ops.commands.doctor.command",
            "ops.commands.drain",
            "ops.commands.keys.command",
            "ops.commands.probe.command",
            "ops.commands.ps",
            "ops.commands.records",
            "ops.commands.tenants.command",
            "ops.commands.usage",
            "ops.console.app",
            "ops.metrics.command",
            "tasks.reconcile.rescuer",
            "uvicorn.lifespan.on",
            "uvicorn.loops.auto",
            "uvicorn.main",
            "uvicorn.protocols.http.auto",
            "uvicorn.protocols.websockets.auto",
            "webhooks.app",
        ),
        WORKERS: (
            "celery.apps.worker",
            "celery.bin.celery",
            "celery.worker.consumer",
            "tasks.call.task",
            "tasks.worker.bootsteps",
        ),
    }
)
PR_SET_PDEATHSIG = 1
STDIN = 0
FIRST_FILE = 3
MOST_FILES = 1 << 20
MOST_STATUS = 4096
"""Bytes of a reply without output."""


@dataclass
class _Running:
    """A process that runs a request. `pidfd` becomes readable when it ends."""

    pid: int
    pidfd: int
    connection: socket.socket
    outputs: list[int]

    def reply(self) -> None:
        """Send what came of it, and close all of it."""
        _, status = os.waitpid(self.pid, 0)
        outputs = [os.pread(file, os.fstat(file).st_size, 0).decode() for file in self.outputs]
        reply = {"status": os.waitstatus_to_exitcode(status), "outputs": outputs}
        # Nobody may be there any more who has asked.
        with suppress(OSError), self.connection:
            self.connection.sendall(json.dumps(reply).encode() + b"\n")
        for file in (*self.outputs, self.pidfd):
            os.close(file)


def serve(path: str, kind: str) -> dict[str, Any] | None:
    """Answer requests on this Unix socket until stdin is closed. Return the request in a process that is to run it."""
    # numpy has a thread for each core else, and a lock that another thread holds would stay locked in the fork.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    gc.disable()
    for module in PRELOADED[kind]:
        importlib.import_module(module)
    # Else the first collection in each fork would copy all of it.
    gc.freeze()
    gc.enable()
    assert threading.active_count() == len([*Path("/proc/self/task").iterdir()]) == 1
    running: dict[int, _Running] = {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while STDIN not in (readable := select.select([listener.fileno(), STDIN, *running], [], [])[0]):
            for pidfd in running.keys() & readable:
                running.pop(pidfd).reply()
            if listener.fileno() in readable:
                connection, _ = listener.accept()
                with connection.makefile("r", encoding="utf-8") as lines:
                    request: dict[str, Any] = json.loads(lines.readline())
                started = _start(request, connection)
                if started is None:
                    return request
                running[started.pidfd] = started
    for process in running.values():
        signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
    return None


def _start(request: dict[str, Any], connection: socket.socket) -> _Running | None:
    """Fork a process with streams of its own. Returns None in that one."""
    server = os.getpid()
    if request["log"] is None:
        streams = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
        os.write(streams[STDIN], request["stdin"].encode())
        os.lseek(streams[STDIN], 0, os.SEEK_SET)
    else:
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        streams = [os.open(os.devnull, os.O_RDONLY), log, log]
    pid = os.fork()
    if not pid:
        for number, file in enumerate(streams):
            os.dup2(file, number)
        if request["log"] is not None:
            _detach(server)
            # Only now may its whole group be signalled.
            connection.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")
        return None
    if request["log"] is None:
        os.close(streams[STDIN])
        return _Running(pid, os.pidfd_open(pid), connection, streams[1:])
    for file in {*streams}:
        os.close(file)
    return _Running(pid, os.pidfd_open(pid), connection, [])


def _detach(server: int) -> None:
    """Lead a session, and end with the server: as the processes of a stack."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)


def run(request: dict[str, Any]) -> int:
    """Run the module of the request as `python -m` does, and return the exit status."""
    # Those of the server and of the processes beside this one.
    os.closerange(FIRST_FILE, MOST_FILES)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    more = [folder for folder in request["env"]["PYTHONPATH"].split(os.pathsep) if folder not in sys.path]
    sys.path[:1] = [request["cwd"], *more]
    module, *arguments = request["arguments"]
    sys.argv[1:] = arguments
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__" and (received := serve(sys.argv[1], sys.argv[2])) is not None:
    exit_status = run(received)
    # As the interpreter does, in this order.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    # To take all that was imported apart again would cost more than the command.
    os._exit(exit_status)
