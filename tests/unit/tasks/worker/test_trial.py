"""The trial of what a child does before its call, in a process that is thrown away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tasks.worker.start.trial import try_in_child

SECONDS = 20.0


def fail(error: BaseException) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


def test_what_goes_well_has_no_reason() -> None:
    assert try_in_child(lambda: None, SECONDS) is None


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (fail(RuntimeError("no model\n{here}")), "RuntimeError: no model {here}"),
        (fail(SystemExit("no licence")), "SystemExit: no licence"),
        (fail(SystemExit(0)), "SystemExit: 0"),
        (fail(KeyboardInterrupt()), "KeyboardInterrupt:"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "its process was killed by SIGKILL"),
        (lambda: os._exit(7), "its process exited"),
    ],
)
def test_what_fails_says_why(action: Callable[[], None], reason: str) -> None:
    assert try_in_child(action, SECONDS) == reason


def test_a_reason_may_be_long() -> None:
    reason = try_in_child(fail(ValueError("x" * 100_000)), SECONDS)
    assert reason is not None
    assert 1000 < len(reason) < 5000


def test_what_hangs_is_ended_with_all_that_it_has_started(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    started = tmp_path / "pid"

    def hang() -> None:
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        started.write_text(str(process.pid))
        time.sleep(600)

    assert try_in_child(hang, 3.0) == "it did not finish within 3 s"
    # The stack of what blocks is in the log.
    assert "in hang" in capfd.readouterr().err
    pid = int(started.read_text())
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
