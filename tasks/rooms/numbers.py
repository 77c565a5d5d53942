"""The telephone number of a room's caller, where it is not known when the room is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.rooms import keys
from tasks.rooms.scripts import Script

if TYPE_CHECKING:
    from redis.asyncio import Redis


class CallerNumbers:
    """The callers' numbers in one Redis. They are in the rooms' hashes and in the records, and in no log."""

    def __init__(self, redis: Redis) -> None:
        self._save_number = Script(redis, "save_number")

    async def save(self, sid: str, number: str) -> bool:
        """Save the number of a caller who has joined. Returns False if the room is unknown, or has a number."""
        return bool(await self._save_number(room_key=keys.room(sid), number=number))
