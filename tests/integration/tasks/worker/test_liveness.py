"""The liveness of a real worker: it outlasts Redis, and ends when the main loop does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher
from tasks.worker.presence.liveness import seconds_since_mark
from tests.support.waiting import until


@pytest.fixture
async def worker(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, tmp_path: Path, load: Path
) -> AsyncIterator[Worker]:
    """A worker whose name no other lane of this host has: its mark is found by that."""
    spec = WorkerSpec(f"live-{os.getpid()}", ("premium",), slots=1, env={"SWITCHBOARD_LOAD_FILE": str(load)})
    env = environment.merged(environment.inherited(), switchboard_env)
    started = Worker(spec, tmp_path, env, redis=redis_server)
    await started.start()
    yield started
    await started.stop()


async def exit_code(worker: Worker, *options: str) -> int:
    command = [sys.executable, "-m", "tasks.worker.healthcheck", *options, worker.node]
    process = await asyncio.create_subprocess_exec(*command, env=worker.env, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


async def test_a_worker_is_alive_while_redis_is_away_and_not_while_its_main_process_stands_still(
    redis_server: RedisServer, worker: Worker
) -> None:
    assert await exit_code(worker, "--live") == 0
    assert await exit_code(worker) == 0

    worker.send(signal.SIGSTOP)

    async def is_dead() -> bool:
        return await exit_code(worker, "--live", "--within", "1") == 1

    await until(is_dead)
    worker.send(signal.SIGCONT)

    async def is_alive() -> bool:
        return await exit_code(worker, "--live", "--within", "1") == 0

    await until(is_alive)

    await redis_server.stop()

    async def noticed() -> bool:
        return "Redis fails" in worker.log.read_text()

    await until(noticed)
    noticed_at = time.monotonic()

    async def marks_go_on() -> bool:
        seconds = seconds_since_mark(worker.node)
        return seconds is not None and time.monotonic() - seconds > noticed_at

    await until(marks_go_on)
    assert await exit_code(worker, "--live") == 0
    assert await exit_code(worker) == 2
    await redis_server.start()
