"""`switchboard drain WORKER`: drain a worker from anywhere, as SIGTERM does on its host, and wait for its end."""

from __future__ import annotations

import asyncio
import sys

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ops.commands import terminal
from tasks.queue.app import app
from tasks.redis_client import connect
from tasks.rooms import RoomStore
from tasks.settings import RedisSettings

REPLY_SECONDS = 3.0
POLL_SECONDS = 0.5


def request_drain(worker: str, *, now: bool) -> bool:
    """Ask a worker to drain. Return whether it has answered. Raises OperationalError, RedisError or OSError."""
    return bool(
        app.control.broadcast("drain", arguments={"now": now}, destination=[worker], reply=True, timeout=REPLY_SECONDS)
    )


def run(worker: str, *, now: bool, wait: bool) -> int:
    """Ask the worker to drain. Return the exit status."""
    try:
        if not request_drain(worker, now=now):
            print(f"No worker {worker} answers. `switchboard ps` lists the workers.", file=sys.stderr)
            return 1
        print(f"{worker} is draining: it takes no more calls")
        if wait:
            asyncio.run(_wait_until_stopped(worker))
            print(f"{worker} has stopped")
    except (OperationalError, RedisError, OSError) as error:
        terminal.print_redis_unreachable(error)
        return 1
    return 0


async def _wait_until_stopped(worker: str) -> None:
    async with connect(RedisSettings.read()) as redis:
        rooms = RoomStore(redis)
        printed = -1
        while status := next((each for each in await rooms.list_workers() if each.node == worker), None):
            calls = status.busy
            if calls != printed:
                printed = calls
                print(f"{worker} has {calls} call(s) left")
            await asyncio.sleep(POLL_SECONDS)
