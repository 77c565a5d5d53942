"""A worker while Redis is away: it still sees its children, and a drain has its end."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import RoomStore
from tests.integration.tasks.worker.calling import calling, ends
from tests.support.waiting import until

STUBBORN = """
import asyncio

async def entrypoint(ctx):
    await asyncio.Event().wait()
"""


async def test_a_child_that_dies_is_replaced_and_a_drain_ends_while_redis_is_away(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    async with calling(redis_server, switchboard_env, dispatcher, rooms, tmp_path, STUBBORN) as worker:
        child = await worker.child()
        await redis_server.stop()

        async def noticed() -> bool:
            return "Redis fails" in worker.process.log.read_text()

        await until(noticed)
        (idle,) = [process.pid for process in worker.children() if process.pid != child]
        os.kill(idle, signal.SIGKILL)

        async def replaced() -> bool:
            pids = [process.pid for process in worker.children()]
            return len(pids) == 2 and idle not in pids

        await until(replaced)
        worker.process.send(signal.SIGQUIT)
        assert (await worker.says("handing calls over at once"))["calls"] == 1
        await ends(child)
        assert worker.logged("killing the child of a call")[0]["reason"] == "it has ignored the drain"
        assert await asyncio.wait_for(worker.process.exited(), 20) == 0
    await redis_server.start()
