"""Processes that tests fork: they are as those that a stack starts in interpreters of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from ops.stack import ManagedProcess, environment
from tests.support import fork_client, fork_server

REPORT = """
import json, os, pathlib, signal, sys
report = {
    "name": __name__,
    "main": sys.modules["__main__"].__spec__.name,
    "arguments": sys.argv[1:],
    "path": sys.path,
    "environment": dict(os.environ),
    "folder": os.getcwd(),
    "session": os.getsid(0),
    "files": [os.readlink(file) for file in pathlib.Path("/proc/self/fd").iterdir() if file.exists()],
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
}
"""


class Module(ManagedProcess):
    """A module that a test has written. Ready at once."""

    def __init__(self, directory: Path, source: str) -> None:
        super().__init__("module", directory, environment.inherited([directory]) | {"OWN": "1"})
        (directory / "written.py").write_text(REPORT + source)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "written", "an", "argument"]

    async def is_ready(self) -> bool:
        return True


@pytest.mark.parametrize("forked", [True, False], ids=["forked", "own interpreter"])
async def test_it_is_a_process_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, forked: bool) -> None:
    monkeypatch.setenv("OF_THE_TEST", "1")
    monkeypatch.setattr(fork_client, "kind_of", lambda *_: fork_server.COMMANDS if forked else None)
    process = Module(tmp_path, "print(json.dumps(report))\nraise SystemExit(3)")
    process._process = await process.spawn(process.command())
    assert await process.exited() == 3
    report = json.loads(process.log.read_text())
    assert (report["name"], report["main"], report["arguments"]) == ("__main__", "written", ["an", "argument"])
    assert report["path"][0] == report["folder"] == str(tmp_path)
    assert [folder for folder in report["path"] if folder == str(environment.PACKAGES)]
    assert report["environment"] == process.env
    assert report["session"] == process.pid
    # What it has opened itself is the folder that it lists.
    assert {file for file in report["files"] if not file.startswith("/proc/")} == {os.devnull, str(process.log)}
    # A process inherits that it is ignored, as in the background of a shell.
    assert report["interrupt"] == (signal.getsignal(signal.SIGINT) is not signal.SIG_IGN)


async def test_a_signal_that_ends_it_is_its_exit_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_client, "kind_of", lambda *_: fork_server.COMMANDS)
    process = Module(tmp_path, "signal.pause()")
    await process.start()
    states = [process.running]
    process.kill()
    assert await process.exited() == -signal.SIGKILL
    assert [*states, process.running] == [True, False]
    assert not psutil.pid_exists(process.pid)


async def test_threads_and_exit_functions_end_as_in_an_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_client, "kind_of", lambda *_: fork_server.COMMANDS)
    source = """
import atexit, threading, time
atexit.register(print, "exit function")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
"""
    process = Module(tmp_path, source)
    await process.start()
    assert await process.exited() == 0
    assert process.log.read_text().split("\n") == ["thread", "exit function", ""]


async def test_it_ends_with_the_process_that_it_is_forked_from(tmp_path: Path) -> None:
    # The folder of the test has too long a name for a socket.
    with tempfile.TemporaryDirectory() as folder:
        await _ends_with_its_server(tmp_path, str(Path(folder) / "socket"))


async def _ends_with_its_server(folder: Path, path: str) -> None:
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", fork_server.__name__, path, fork_server.COMMANDS),
        env=environment.inherited(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    assert await server.stdout.readline() == b"ready\n"
    process = Module(folder, "signal.pause()")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fork_client, "server", lambda _: path)
        forked = await fork_client.spawn(process, process.command(), fork_server.COMMANDS)
    assert psutil.Process(forked.pid).ppid() == server.pid
    server.kill()
    await server.wait()
    assert await forked.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["celery", "-A", "tasks", "worker", "-Q", "premium"], fork_server.WORKERS),
        (["celery", "-A", "tasks", "flower"], None),
        (["celery", "-A", "tasks.background", "worker"], None),
        (["uvicorn", "--factory", "webhooks.app:create_app"], fork_server.COMMANDS),
        (["ops.cli", "exporter"], fork_server.COMMANDS),
    ],
)
def test_what_no_server_has_imported_has_an_interpreter_of_its_own(
    tmp_path: Path, arguments: list[str], kind: str | None
) -> None:
    process = Module(tmp_path, "")
    command = [sys.executable, "-m", *arguments]
    assert fork_client.kind_of(process, command) == kind
    assert fork_client.kind_of(process, ["nohup", *command]) is None
    process.env["LD_PRELOAD"] = "libfaketime.so.1"
    assert fork_client.kind_of(process, command) is None
    del process.env["LD_PRELOAD"]
    (tmp_path / "sitecustomize.py").touch()
    assert fork_client.kind_of(process, command) is None
    (tmp_path / "sitecustomize.py").unlink()
    process.env["PYTHONPATH"] = str(tmp_path)
    assert fork_client.kind_of(process, command) is None
