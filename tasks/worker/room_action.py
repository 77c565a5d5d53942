"""One action on the rooms from the worker's main process, which has no event loop of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tasks.redis_client import connect
from tasks.rooms import RoomStore
from tasks.settings import Settings

T = TypeVar("T")


def on_rooms(settings: Settings, action: Callable[[RoomStore], Awaitable[T]]) -> T:
    """What the action answers. Raises RedisError or OSError when Redis is away."""
    # A loop and a connection of its own, closed before the next fork: nothing of it is inherited by a child.
    return asyncio.run(_act(settings, action))


async def _act(settings: Settings, action: Callable[[RoomStore], Awaitable[T]]) -> T:
    redis = connect(settings)
    try:
        return await action(RoomStore(redis, lease_ms=settings.lease_ttl_ms))
    finally:
        await redis.aclose()
