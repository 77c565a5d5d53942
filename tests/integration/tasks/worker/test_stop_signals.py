"""A worker's process group, its terminal, or everything that it has started gets the signal to stop."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ops.stack.redis import RedisServer
from tasks.call.drain import HAND_OVER_SECONDS
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import RoomStore, State
from tests.integration.tasks.worker.calling import CallingWorker, calling
from tests.integration.tasks.worker.test_draining import drains
from tests.support.waiting import until

STUBBORN = """
import asyncio, subprocess

async def entrypoint(ctx):
    subprocess.Popen(["sleep", "1000"])
    await asyncio.Event().wait()
"""
POLITE = """
async def entrypoint(ctx):
    pass
"""
STOPS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP]


@pytest.fixture(autouse=True)
def hangup() -> Iterator[None]:
    """Give SIGHUP its default meaning: under `nohup` workers inherit that it is ignored, and rightly go on then."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


async def goes_on(worker: CallingWorker, child: int) -> None:
    room = await worker.room()
    assert (room.state, room.attempt, room.pid) == (State.RUNNING, 1, child)
    assert psutil.Process(child).status() != psutil.STATUS_ZOMBIE


async def test_a_signal_to_the_process_group_begins_a_drain_in_which_the_call_and_its_programs_go_on(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    # With a sidecar, which gets the signals too.
    env = {**switchboard_env, "LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE": "1"}
    async with calling(redis_server, env, dispatcher, rooms, tmp_path, STUBBORN) as worker:
        child = await worker.child()
        programs: list[psutil.Process] = []

        async def started() -> bool:
            programs[:] = psutil.Process(child).children()
            return [program.name() for program in programs] == ["sleep"]

        await until(started)
        others = [process.pid for process in psutil.Process(worker.process.pid).children()]
        assert len(others) >= 3

        # `tini -g`, dumb-init, supervisord's stopasgroup.
        os.killpg(worker.process.pid, signal.SIGHUP)
        await drains(rooms)
        await goes_on(worker, child)
        assert [program.name() for program in programs if program.is_running()] == ["sleep"]
        # `systemctl kill`: each process gets them.
        for number in STOPS:
            for pid in others:
                os.kill(pid, number)
        # A beat of the worker later it would have been noticed.
        await worker.rooms.redis.delete(f"switchboard:worker:{worker.process.node}")
        await drains(rooms)
        await goes_on(worker, child)
        assert sorted(others) == sorted(process.pid for process in psutil.Process(worker.process.pid).children())

        begun = await worker.says("draining")
        assert (begun["calls"], begun["signal"]) == (1, "SIGHUP")


def test_no_child_dies_of_a_signal_between_its_fork_and_its_first_instruction() -> None:
    script = """
import os, signal, sys, time
from tasks.worker import stop_signals
signal.signal(signal.SIGTERM, lambda *_: None)
os.setpgid(0, 0)
parent = os.getpid()
if not (storm := os.fork()):
    while True:
        os.killpg(parent, signal.SIGTERM)
signals = 0
statuses = set()
for _ in range(300):
    with stop_signals.held():
        child = os.fork()
    if not child:
        stop_signals.disregard()
        os._exit(7)
    statuses.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.kill(storm, signal.SIGKILL)
print(statuses)
"""
    # The storm would end itself.
    script = script.replace("while True:", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    while True:")
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "{7}\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_what_a_child_starts_can_be_terminated(method: str, tmp_path: Path) -> None:
    script = """
import multiprocessing, signal, subprocess, sys, time
from tasks.worker import stop_signals
if __name__ == "__main__":
    stop_signals.disregard()
    program = subprocess.Popen(["sleep", "1000"])
    program.send_signal(signal.SIGINT)
    assert program.wait(20) == -signal.SIGINT
    context = multiprocessing.get_context(sys.argv[1])
    for _ in range(20 if sys.argv[1] == "fork" else 1):
        process = context.Process(target=time.sleep, args=(1000,))
        process.start()
        process.terminate()
        process.join(20)
        assert process.exitcode == -signal.SIGTERM, process.exitcode
"""
    file = tmp_path / "parent.py"
    file.write_text(script)
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, str(file), method], check=True, env=env, timeout=60)


IN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(os.open(sys.argv[1], os.O_RDWR), termios.TIOCSCTTY, 0)
os.execv(sys.argv[2], sys.argv[2:])
"""


async def test_ctrl_c_says_what_is_waited_for_and_closing_the_terminal_hands_the_call_over(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    terminal, its_end = pty.openpty()
    command = (sys.executable, "-c", IN_TERMINAL, os.ttyname(its_end))
    async with calling(
        redis_server, switchboard_env, dispatcher, rooms, tmp_path, POLITE, command_prefix=command
    ) as worker:
        os.close(its_end)
        child = await worker.child()
        os.write(terminal, b"\x03")
        begun = await worker.says("draining")
        assert (begun["calls"], begun["signal"]) == (1, "SIGINT")
        assert 300 <= begun["at_most_seconds"] <= 300 + HAND_OVER_SECONDS
        assert begun["again"] == "a second signal hands the calls over to other workers at once"
        await drains(rooms)
        await goes_on(worker, child)
        os.close(terminal)
        assert (await worker.says("handing calls over at once"))["calls"] == 1

        async def handed_over() -> bool:
            return (await worker.room()).attempt == 2

        await until(handed_over)
        assert await asyncio.wait_for(worker.process.exited(), 20) == 0
