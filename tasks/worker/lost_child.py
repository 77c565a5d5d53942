"""A child died in its call: the worker's main process sees it at once and queues the room again."""

from __future__ import annotations

import logging

from redis.exceptions import RedisError

from tasks.queue.requeue import lose_call
from tasks.rooms import RoomStore
from tasks.settings import Settings
from tasks.worker.room_action import on_rooms

logger = logging.getLogger("switchboard.tasks.worker")


def report(sid: str, attempt: int, *, reason: str, settings: Settings) -> None:
    """Queue the next attempt. Redis being away is logged: the lease then ends, and tells the same story later."""

    async def lose(rooms: RoomStore) -> None:
        room = await rooms.get(sid)
        if room is not None and room.attempt == attempt:
            await lose_call(room, rooms, settings.max_attempts, reason=reason)

    try:
        on_rooms(settings, lose)
    except (RedisError, OSError) as error:
        logger.warning("a lost call was not reported", extra={"sid": sid, "error": type(error).__name__})
