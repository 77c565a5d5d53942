"""The folders of workers: a living one's stays, and that of a killed one goes with what its calls have left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.worker.sidecars.janitor import ENVIRONMENT_VARIABLE
from tests.support.waiting import until

OWNER = """
import os, signal, subprocess, sys
from tasks.call.scoreboard import Scoreboard
from tasks.worker.start.runtime_dir import RuntimeDir
from tasks.worker.sidecars.janitor import SCOREBOARD

folder = RuntimeDir.create()
scoreboard = Scoreboard(folder.path / SCOREBOARD)
if sys.argv[1] == "watched":
    folder.watch()
program = subprocess.Popen(["sleep", "1000"], env={sys.argv[2]: str(folder.path)}, start_new_session=True)
fork = os.fork()
if not fork:
    os.setsid()
    folder.let_go()
    signal.pause()
print(folder.path, program.pid, fork, flush=True)
signal.pause()
"""
REMOVE = """
import pathlib, tempfile
from tasks.worker.start import runtime_dir
runtime_dir.remove_abandoned(pathlib.Path(tempfile.gettempdir()))
"""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def exists(path: str) -> bool:
    return Path(path).exists()


def start_owner(env: dict[str, str], *, watched: bool) -> subprocess.Popen[str]:
    how = "watched" if watched else "alone"
    command = [sys.executable, "-c", OWNER, how, ENVIRONMENT_VARIABLE]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


def start_another(env: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-c", REMOVE], env=env, check=True)


@pytest.mark.parametrize("watched", [True, False])
async def test_what_a_killed_worker_has_left_goes_by_its_janitor_or_the_next_worker(
    tmp_path: Path, *, watched: bool
) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    others = tmp_path / "switchboard-worker-of-another-program"
    others.mkdir()
    (tmp_path / "switchboard-worker-link").symlink_to(others)
    owner = start_owner(env, watched=watched)
    assert owner.stdout is not None
    path, *pids = owner.stdout.readline().split()
    processes = [int(pid) for pid in pids]
    start_another(env)
    assert exists(path)
    assert not any(map(gone, processes))

    owner.send_signal(signal.SIGKILL)
    owner.wait()
    if not watched:
        assert exists(path)
        start_another(env)
    # They have its output.
    assert owner.stdout.read() == ""
    owner.stdout.close()

    async def removed() -> bool:
        return not exists(path)

    await until(removed)
    assert all(map(gone, processes))
    assert others.exists()
