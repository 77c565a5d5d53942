"""`switchboard demo` with its real processes, ended at several moments: nothing of it may be left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ops.stack import Binaries

MARK = "THIS_TESTS_DEMO"


def family(mark: str) -> list[psutil.Process]:
    """Every living process that inherited this mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@contextmanager
def demo(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo that runs, with the mark of its family."""
    mark = uuid.uuid4().hex
    command = [sys.executable, "-m", "ops.cli", "demo", "--directory", str(directory)]
    # Its output is a pipe, and what nobody reads must not stop it.
    env = {**os.environ, MARK: mark, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    ) as process:
        try:
            yield process, mark
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], moment: str) -> None:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if moment in line:
            return
    pytest.fail(f"the demo ended before {moment!r}:\n{''.join(said)}")


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("logs and recordings", signal.SIGINT),
        ("redis is ready", signal.SIGINT),
        ("livekit-server is ready", signal.SIGTERM),
        ("receiver-1 is ready", signal.SIGKILL),
        ("flower is ready", signal.SIGINT),
        ("the caller says", signal.SIGINT),
        ("the caller says", signal.SIGKILL),
    ],
)
def test_no_process_is_left_at_whatever_moment_it_is_ended(
    binaries: Binaries, tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    with demo(tmp_path) as (process, mark):
        read_until(process, moment)

        process.send_signal(number)
        process.communicate(timeout=30)

        assert process.returncode == (-number if number is signal.SIGKILL else 130)
        # The kernel ends the others a moment after a killed parent.
        _, alive = psutil.wait_procs(family(mark), timeout=5)
        assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
