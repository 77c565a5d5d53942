"""`switchboard drain WORKER`: what a SIGTERM does to a worker, from anywhere, and waiting for its end."""

from __future__ import annotations

import asyncio
import sys

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from tasks.celery import app
from tasks.redis_client import connect
from tasks.rooms import RoomStore
from tasks.settings import QueueSettings

REPLY_SECONDS = 3.0
LOOK_SECONDS = 0.5


def run(worker: str, *, now: bool, wait: bool) -> int:
    """Ask the worker to drain. The exit status."""
    try:
        replies = app.control.broadcast(
            "drain", arguments={"now": now}, destination=[worker], reply=True, timeout=REPLY_SECONDS
        )
        if not replies:
            print(f"No worker {worker} answers. `switchboard ps` lists those there are.", file=sys.stderr)
            return 1
        print(f"{worker} drains: it takes no more calls")
        if wait:
            asyncio.run(_gone(worker))
            print(f"{worker} has stopped")
    except (OperationalError, RedisError, OSError) as error:
        print(f"Redis cannot be reached ({type(error).__name__}). Start it, or set REDIS_URL.", file=sys.stderr)
        return 1
    return 0


async def _gone(worker: str) -> None:
    async with connect(QueueSettings.read()) as redis:
        rooms = RoomStore(redis)
        left = -1
        while status := next((found for found in await rooms.workers() if found.node == worker), None):
            calls = status.slots - status.idle
            if calls != left:
                left = calls
                print(f"{worker} has {calls} call(s) left")
            await asyncio.sleep(LOOK_SECONDS)
