"""An agent that starts processes, in each of the ways that Python has: they work, and end with its call."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import RoomStore, State
from tests.integration.tasks.worker.calling import calling, ends
from tests.integration.tasks.worker.dispatched import open_rooms
from tests.support.waiting import until

AGENT = """
import asyncio, concurrent.futures, json, multiprocessing, os, pathlib, signal, subprocess, sys, threading, time

FOLDER = pathlib.Path(__file__).parent

def pid(_=None):
    return os.getpid()

def tell(queue):
    queue.put(os.getpid())
    time.sleep(1000)

def daemon():
    # As a daemon does it: a session of its own, and a parent that ends.
    script = "import os, time; os.setsid(); pid = os.fork(); pid and (print(pid, flush=True), os._exit(0)); os.close(1)"
    command = [sys.executable, "-c", script + "; time.sleep(1000)"]
    return int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)

def forked_daemon():
    reading, writing = os.pipe()
    if not os.fork():
        os.setsid()
        if child := os.fork():
            os.write(writing, str(child).encode())
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    os.wait()
    return int(os.read(reading, 20))

async def entrypoint(ctx):
    loop = asyncio.get_running_loop()
    pids = {}
    executor = concurrent.futures.ProcessPoolExecutor(2)
    pids["executor"] = await loop.run_in_executor(executor, pid)
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        context.Process(target=tell, args=(queue,)).start()
        pids[method] = await asyncio.to_thread(queue.get)
    with multiprocessing.Pool(1) as pool:
        assert pool.map(pid, [1]) != [os.getpid()]
    pids["subprocess"] = subprocess.Popen(["sleep", "1000"]).pid
    pids["asyncio"] = (await asyncio.create_subprocess_exec("sleep", "1000")).pid
    pids["session"] = subprocess.Popen(["sleep", "1000"], start_new_session=True).pid
    pids["daemon"] = await asyncio.to_thread(daemon)
    pids["forked daemon"] = forked_daemon()
    threading.Thread(target=time.sleep, args=(1000,)).start()
    if not os.fork():
        # It has forgotten to end itself, and returns from the call.
        raise SystemExit("from a fork")
    (FOLDER / f"{ctx.room.name}.json").write_text(json.dumps(pids))
    if not (FOLDER / "return").exists():
        await asyncio.Event().wait()
    ctx.shutdown()
"""


async def test_they_work_and_end_with_the_call_even_if_the_child_is_killed_or_the_call_ends(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    told = tmp_path / "call-acme-1.json"

    async def tells() -> bool:
        return told.exists() and told.read_text().endswith("}")

    # With a sidecar, which has to stay.
    env = {**switchboard_env, "LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE": "1"}
    async with calling(redis_server, env, dispatcher, rooms, tmp_path, AGENT, slots=1) as worker:
        main = psutil.Process(worker.process.pid)
        await until(tells, 60)
        child = await worker.child()
        pids = json.loads(told.read_text())
        assert len(pids) == 9
        rest = [process.pid for process in psutil.Process(child).children(recursive=True)]
        assert set(pids.values()) <= set(rest)

        (tmp_path / "return").touch()
        told.unlink()
        os.kill(child, signal.SIGKILL)
        for pid in rest:
            await ends(pid, 10)
        # The next attempt, in the only slot, ends by itself.
        await until(tells, 60)
        pids = json.loads(told.read_text())
        for pid in pids.values():
            # Its thread keeps the child from exiting, and one of its processes ignores SIGTERM: 5 and 3 s that they
            # have, each noticed within a second.
            await ends(pid)

        async def clean() -> bool:
            left = [process.pid for process in main.children(recursive=True)]
            return len(left) == 3 and not [pid for pid in left if pid in pids.values()]

        # One idle child, the sidecar, and the janitor.
        await until(clean)
        assert [line["exit_code"] for line in worker.logged("sidecar died")] == []
        # Nor has the fork that returned from the task been taken for the child: the slot answers again.
        await open_rooms(dispatcher, "b", 1)

        async def over() -> bool:
            room = await rooms.get("RM_b0")
            return room is not None and room.state is State.ENDED

        await until(over)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files with a short path: that of a socket of multiprocessing has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="s-") as folder:
        yield Path(folder)


def worker_folders(temporary: Path) -> list[Path]:
    return list(temporary.glob("switchboard-worker-*"))


async def test_they_end_with_a_worker_that_is_killed_and_its_folder_goes(
    redis_server: RedisServer,
    switchboard_env: dict[str, str],
    dispatcher: Dispatcher,
    rooms: RoomStore,
    tmp_path: Path,
    temporary: Path,
) -> None:
    told = tmp_path / "call-acme-1.json"

    async def tells() -> bool:
        return told.exists() and told.read_text().endswith("}")

    env = {**switchboard_env, "TMPDIR": str(temporary)}
    async with calling(redis_server, env, dispatcher, rooms, tmp_path, AGENT, slots=1) as worker:
        await until(tells, 60)
        assert len(worker_folders(temporary)) == 1
        rest = psutil.Process(worker.process.pid).children(recursive=True)
        os.kill(worker.process.pid, signal.SIGKILL)
        for process in rest:
            await ends(process.pid, 10)
        assert worker_folders(temporary) == []
