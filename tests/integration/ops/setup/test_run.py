"""A tool that the set-up runs: its output, and that it never outlives the set-up."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ops.setup import SetupError, StderrProgress
from ops.setup.run import run


def test_stdout_is_returned_and_stderr_is_heard_line_by_line(tmp_path: Path) -> None:
    heard: list[str] = []
    said = run(["sh", "-c", "echo out; echo one >&2; echo two >&2"], env=os.environ, cwd=tmp_path, on_line=heard.append)
    assert said == "out\n"
    assert heard == ["one", "two"]


def test_a_tool_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"exit code 3:\n  no such host"):
        run(["sh", "-c", "printf 'no such host' >&2; exit 3"], env=os.environ, cwd=tmp_path)


def test_whatever_ends_it_early_ends_the_tool_and_its_children(tmp_path: Path) -> None:
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(["sh", "-c", "sleep 60 & echo $! >&2; wait"], env=os.environ, cwd=tmp_path, on_line=interrupt)
    gone, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=5)
    assert not alive, gone


def test_a_set_up_that_is_terminated_leaves_no_process_behind(tmp_path: Path) -> None:
    for name, script in {
        "go": 'case "$1" in version) echo go version go1.27;; env) ;; *) echo $$ > "$PIDS"; exec /bin/sleep 60;; esac',
        "redis-server": "echo v=7.0.15",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    pids = tmp_path / "pids"
    os.mkfifo(pids)
    # Nothing else on the PATH, so that there is a livekit-server to build.
    env = os.environ | {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PIDS": str(pids)}
    setup = subprocess.Popen([sys.executable, "-m", "ops.setup"], env=env, stderr=subprocess.DEVNULL)
    try:
        builder = psutil.Process(int(pids.read_text(encoding="utf-8")))
        setup.send_signal(signal.SIGTERM)
        assert setup.wait(10) == 128 + signal.SIGTERM
        _, alive = psutil.wait_procs([builder], timeout=5)
        assert not alive
    finally:
        setup.kill()
        setup.wait()


def test_ticks_are_rare_in_a_log_and_steps_are_not() -> None:
    log = io.StringIO()
    progress = StderrProgress(log)
    for number in range(100):
        progress.tick(f"{number} of 100")
    progress.say("begun")
    progress.say("done")
    assert [line.partition("] ")[2] for line in log.getvalue().splitlines()] == ["begun", "done"]
