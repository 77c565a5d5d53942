"""A child died in its call: the worker's main process sees it at once and queues the room again."""

from __future__ import annotations

import asyncio
import logging

from redis.exceptions import RedisError

from tasks.connection import connect
from tasks.failover import lose_call
from tasks.rooms import RoomStore
from tasks.settings import Settings

logger = logging.getLogger("switchboard.tasks.worker")


def report(sid: str, attempt: int, *, reason: str, settings: Settings) -> None:
    """Queue the next attempt. Redis being away is logged: the lease then ends, and tells the same story later."""
    try:
        # A loop of its own, closed before the next fork: nothing of it is inherited by a child.
        asyncio.run(_lose(sid, attempt, reason, settings))
    except (RedisError, OSError) as error:
        logger.warning("a lost call was not reported", extra={"sid": sid, "error": type(error).__name__})


async def _lose(sid: str, attempt: int, reason: str, settings: Settings) -> None:
    redis = connect(settings)
    try:
        rooms = RoomStore(redis, lease_ms=settings.lease_ttl_ms)
        room = await rooms.get(sid)
        if room is not None and room.attempt == attempt:
            await lose_call(room, rooms, settings.max_attempts, reason=reason)
    finally:
        await redis.aclose()
