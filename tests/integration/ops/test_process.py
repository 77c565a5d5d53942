from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from ops.stack import ManagedProcess, ProcessDied, ProcessNotReady

Make = Callable[[str], "Shell"]


class Shell(ManagedProcess):
    """A shell script that is ready when it has made the file `ready`."""

    ready_seconds = 10.0
    stop_seconds = 10.0

    def __init__(self, directory: Path, script: str) -> None:
        super().__init__("shell", directory, os.environ)
        self.script = script

    def command(self) -> list[str]:
        return ["/bin/sh", "-c", self.script]

    async def is_ready(self) -> bool:
        return (self.directory / "ready").exists()

    def reported_pid(self) -> int:
        return int((self.directory / "pid").read_text())


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Shell] = []

    def make(script: str) -> Shell:
        made.append(Shell(tmp_path, script))
        return made[-1]

    yield make
    for process in made:
        process.stop_seconds = 0.1
        await process.stop()


def gone(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        process = psutil.Process(pid)
        # Nobody may be there to reap an orphan, but a zombie does nothing any more.
        return process.status() == psutil.STATUS_ZOMBIE or process.wait(timeout=5) is None
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_start_returns_when_the_process_is_ready(shell: Make) -> None:
    process = shell("sleep 0.2; touch ready; exec sleep 60")

    await process.start()

    assert process.running
    assert process.started_in_seconds >= 0.2


async def test_a_process_leads_a_session_of_its_own(shell: Make) -> None:
    process = shell("touch ready; exec sleep 60")

    await process.start()

    assert os.getsid(process.pid) == process.pid != os.getsid(0)


async def test_a_process_that_dies_early_is_reported_with_the_end_of_its_log(shell: Make) -> None:
    process = shell("echo out of luck; exit 3")

    with pytest.raises(ProcessDied, match=r"shell exited with 3 before it was ready.*\n {4}out of luck"):
        await process.start()


async def test_a_process_that_is_not_ready_in_time_is_killed(shell: Make) -> None:
    process = shell("echo thinking; exec sleep 60")
    process.ready_seconds = 0.3

    with pytest.raises(ProcessNotReady, match=r"within 0 s.*\n {4}thinking"):
        await process.start()

    assert not process.running


async def test_cancelling_the_start_leaves_no_process(shell: Make) -> None:
    process = shell("exec sleep 60")
    starting = asyncio.create_task(process.start())
    while not process.running:  # noqa: ASYNC110 - a process id is no event
        await asyncio.sleep(0.01)

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert gone(process.pid)


async def test_stop_lets_a_process_finish_what_it_does_at_sigterm(shell: Make, tmp_path: Path) -> None:
    process = shell("trap 'touch finished; exit 0' TERM; touch ready; while :; do sleep 0.05; done")
    await process.start()

    await process.stop()

    assert (tmp_path / "finished").exists()
    assert await process.exited() == 0


async def test_a_process_that_ignores_sigterm_is_killed_when_its_grace_is_over(shell: Make) -> None:
    process = shell("trap '' TERM; touch ready; while :; do sleep 0.05; done")
    process.stop_seconds = 0.2
    await process.start()

    await process.stop()

    assert await process.exited() == -signal.SIGKILL


async def test_stop_leaves_no_child_of_the_process_either(shell: Make) -> None:
    process = shell("sleep 60 & echo $! > pid; touch ready; wait")
    await process.start()

    await process.stop()

    assert gone(process.reported_pid())


async def test_a_paused_process_can_be_stopped(shell: Make) -> None:
    process = shell("touch ready; exec sleep 60")
    await process.start()
    process.pause()

    await process.stop()

    assert await process.exited() == -signal.SIGTERM


async def test_a_stopped_process_can_be_started_again(shell: Make) -> None:
    process = shell("touch ready; exec sleep 60")
    await process.start()
    first = process.pid
    await process.stop()

    await process.start()

    assert process.running
    assert process.pid != first


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's tie to the parent exists on Linux only")
def test_a_process_dies_with_the_one_that_started_it_even_when_that_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio, pathlib, sys
sys.path[:0] = {sys.path!r}
from tests.integration.ops.test_process import Shell

async def main():
    await Shell(pathlib.Path({str(tmp_path)!r}), "echo $$ > pid; touch ready; exec sleep 60").start()
    print("started", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "started\n"
        parent.kill()

    assert gone(int((tmp_path / "pid").read_text()))
