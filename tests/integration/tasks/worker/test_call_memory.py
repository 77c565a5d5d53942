"""A call that takes too much memory: warned, handed over with its conversation, and killed if it does not go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import RoomStore
from tests.integration.tasks.worker.calling import calling, ends
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("own_interpreters")

LEAK = """
import mmap, multiprocessing, os, pathlib, time
from livekit.agents import AgentServer

FOLDER = pathlib.Path(__file__).parent
HELD = []

def hold(megabytes):
    # All at once: it must not be measured half-way. A file in memory is nobody's until it is mapped.
    file = os.memfd_create("held")
    for _ in range(megabytes):
        os.write(file, bytes(1 << 20))
    return mmap.mmap(file, megabytes << 20, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)

def elsewhere(megabytes):
    block = hold(megabytes)
    time.sleep(1000)

server = AgentServer(job_memory_warn_mb=100, job_memory_limit_mb=150)

@server.rtc_session()
async def entrypoint(ctx):
    how = (FOLDER / "how").read_text().split()
    if how[0] == "keeps":
        HELD.append(hold(int(how[1])))
    elif how[0] == "elsewhere":
        multiprocessing.get_context("spawn").Process(target=elsewhere, args=(int(how[1]),)).start()
    (FOLDER / "how").write_text("nothing")
"""


def test_memory_that_the_processes_of_a_call_share_counts_once_and_the_workers_not_at_all() -> None:
    script = """
import os, signal, sys, time
from tasks.worker.pool import call_processes
from tasks.worker.supervision import call_memory

def hold(megabytes):
    return bytearray(os.urandom(1 << 20)) * megabytes

workers = hold(200)
reading, writing = os.pipe()
if not (child := os.fork()):
    calls = hold(100)
    for _ in range(3):
        if not os.fork():
            time.sleep(1000)
    os.write(writing, b"forked")
    time.sleep(1000)
os.read(reading, 6)
processes = call_processes.tree(child)
print(len(processes), call_memory.memory_mb(processes), call_memory.bound_mb(processes))
for process in processes:
    os.kill(process, signal.SIGKILL)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    processes, memory, bound = map(float, ran.stdout.split())
    assert processes == 4
    assert 98 < memory < 125
    assert bound > 4 * 300


async def test_a_call_over_the_limit_of_its_agent_is_handed_over_and_one_far_over_it_killed(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    how = tmp_path / "how"
    how.write_text("keeps 190")
    settings = {"SWITCHBOARD_AGENT": "written_agent:server", "SWITCHBOARD_CALL_MEMORY_LIMIT_MB": "400"}
    async with calling(
        redis_server, switchboard_env, dispatcher, rooms, tmp_path, LEAK, slots=1, settings=settings
    ) as worker:
        child = await worker.child()

        async def attempt(number: int) -> bool:
            # As the reconciler does: the third attempt follows two that failed quickly.
            await rooms.queue_delayed_rooms(1)
            room = await worker.room()
            return room.attempt == number and "connecting" in room.steps_ms

        warned = await worker.says("call takes much memory")
        assert (warned["pid"], warned["warn_mb"], warned["limit_mb"]) == (child, 100, 150)
        over = await worker.says("call over its memory limit; handing it over")
        assert 150 < over["memory_mb"] < 300
        # The processes of an agent count. Far over the limit, there is no time for a hand-over.
        how.write_text("elsewhere 400")
        await until(lambda: attempt(2))
        assert (await worker.room()).reason == "over its memory limit of 150 MB"
        await ends(child)
        killed = await worker.says("killing the child of a call")
        assert killed["attempt"] == 2
        assert killed["reason"].startswith("over its memory limit of 150 MB, at ")
        await ends(killed["pid"])
        await until(lambda: attempt(3))
        assert (await worker.room()).reason == killed["reason"]
