"""A process that has imported the modules of commands, and forks itself for each `python -m MODULE` that it is sent.

Most of what a command costs is its imports: half a second of CPU, again for each of some hundred in the tests. A fork
is a process of its own with its own environment, arguments and standard streams, and it ends as any other one.
"""

from __future__ import annotations

import atexit
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
from typing import Any

# Not `ops.cli` itself, which each command runs as its main module.
PRELOADED = (
    "livekit.api",
    "ops.commands.calls.erase",
    "ops.commands.calls.listing",
    "ops.commands.calls.operations",
    "ops.commands.calls.show",
    "ops.commands.calls.why",
    "ops.commands.dead_letters",
    "ops.commands.doctor.command",
    "ops.commands.drain",
    "ops.commands.keys.command",
    "ops.commands.ps",
    "ops.commands.tenants.command",
    "ops.commands.usage",
    "tasks.reconcile.rescuer",
)
STDIN = 0


@dataclass
class _Running:
    """A process that runs a request. `pidfd` becomes readable when it ends."""

    pid: int
    pidfd: int
    connection: socket.socket
    files: list[int]

    def reply(self) -> None:
        """Send what came of it, and close all of it."""
        _, status = os.waitpid(self.pid, 0)
        output, errors = (os.pread(file, os.fstat(file).st_size, 0).decode() for file in self.files[1:])
        reply = {"status": os.waitstatus_to_exitcode(status), "output": output, "errors": errors}
        # Nobody may be there any more who has asked.
        with suppress(OSError), self.connection:
            self.connection.sendall(json.dumps(reply).encode() + b"\n")
        for file in (*self.files, self.pidfd):
            os.close(file)


def serve(path: str) -> dict[str, Any] | None:
    """Answer requests on this Unix socket until stdin is closed. Return the request in a process that is to run it."""
    gc.disable()
    for module in PRELOADED:
        importlib.import_module(module)
    # Else the first collection in each fork would copy all of it.
    gc.freeze()
    gc.enable()
    # A lock that another thread holds would stay locked in the fork.
    assert threading.active_count() == 1
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
    files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    os.write(files[STDIN], request["stdin"].encode())
    os.lseek(files[STDIN], 0, os.SEEK_SET)
    pid = os.fork()
    if pid:
        return _Running(pid, os.pidfd_open(pid), connection, files)
    for number, file in enumerate(files):
        os.dup2(file, number)
    return None


def run(request: dict[str, Any]) -> int:
    """Run the module of the request as `python -m` does, and return the exit status."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    more = [folder for folder in request["env"]["PYTHONPATH"].split(os.pathsep) if folder not in sys.path]
    sys.path[1:1] = more
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


if __name__ == "__main__" and (received := serve(sys.argv[1])) is not None:
    exit_status = run(received)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    # To take all that was imported apart again would cost more than the command.
    os._exit(exit_status)
