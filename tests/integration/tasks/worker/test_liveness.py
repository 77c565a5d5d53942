"""The liveness of a real worker: it outlasts Redis, and ends when the main loop does."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from ops.stack import Worker
from ops.stack.redis import RedisServer
from tests.support.waiting import until


async def exit_code(worker: Worker, *options: str) -> int:
    command = [sys.executable, "-m", "tasks.worker.healthcheck", *options, worker.node]
    process = await asyncio.create_subprocess_exec(*command, env=worker.env, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


async def test_a_worker_without_redis_is_alive_and_not_ready(
    redis_server: RedisServer, worker: Worker, tmp_path: Path
) -> None:
    assert await exit_code(worker, "--live") == 0
    assert await exit_code(worker) == 0
    await redis_server.stop()

    async def noticed() -> bool:
        return "Redis fails" in worker.log.read_text()

    await until(noticed)
    # Not the last mark before the outage: the main loop waits for Redis now, and goes on to mark.
    await asyncio.sleep(3)
    assert await exit_code(worker, "--live", "--within", "3") == 0
    assert await exit_code(worker) == 2
    await redis_server.start()


async def test_a_main_process_that_is_stopped_is_not_alive_any_more_and_is_again_when_it_goes_on(
    worker: Worker,
) -> None:
    worker.send(signal.SIGSTOP)

    async def is_dead() -> bool:
        return await exit_code(worker, "--live", "--within", "1") == 1

    await until(is_dead)
    worker.send(signal.SIGCONT)

    async def is_alive() -> bool:
        return await exit_code(worker, "--live", "--within", "1") == 0

    await until(is_alive)
