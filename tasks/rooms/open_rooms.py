"""The open rooms of one tenant, or of all, newest first and a part at a time, and how many a tenant has in each state.

The rooms of a tenant are found by its permits and its waitlist, so that what one of many tenants asks costs by its own
rooms alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from tasks.rooms import keys
from tasks.rooms.records import LISTED_FIELDS, Room, room_of_values
from tasks.rooms.scripts import Script

if TYPE_CHECKING:
    from redis.asyncio import Redis

PART = 100
"""Rooms that are read at a time. More would keep the event loop from everything else."""
SEARCHED = 500
"""Rooms that are searched by name or number at a time, of which few are read. More would keep Redis from all else."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """The open rooms of a tenant. Its limit is of `queued` and `running` together."""

    tenant: str
    running: int
    queued: int
    waiting: int


class OpenRooms:
    """The open rooms in one Redis. The client must decode responses. It only reads.

    Every method raises `redis.RedisError` or `OSError` when Redis is away.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._find_rooms = Script(redis, "find_rooms")

    async def newest_first(
        self,
        tenant: str | None = None,
        *,
        before: tuple[int, str] | None = None,
        name: str | None = None,
        number: str | None = None,
    ) -> AsyncIterator[Room]:
        """Yield the open rooms of a tenant, or of all, the newest first. `before`: those after this (opened, sid).

        `name`, `number`: the whole, or the beginning if it ends with `*`.
        """
        opened = await (self._opened() if tenant is None else self._opened_of(tenant))
        order = sorted(((ms, sid) for sid, ms in opened.items()), reverse=True)
        if before is not None:
            order = [each for each in order if each < before]
        part = SEARCHED if name or number else PART
        for first in range(0, len(order), part):
            for room in await self._find([sid for _, sid in order[first : first + part]], name, number):
                # It may have ended meanwhile, or have been given to another tenant.
                if room.state.is_open and tenant in {None, room.tenant}:
                    yield room

    async def read(self, sids: Sequence[str]) -> list[Room]:
        """Return those of these rooms that Redis has, open or over, in this order."""
        return await self._find(sids, None, None) if sids else []

    async def _find(self, sids: Sequence[str], name: str | None, number: str | None) -> list[Room]:
        encoded = await self._find_rooms(*LISTED_FIELDS, *sids, name=name, number=number, fields=len(LISTED_FIELDS))
        rooms = (room_of_values(str(sid), LISTED_FIELDS, values) for sid, *values in json.loads(encoded))
        return [room for room in rooms if room is not None]

    async def concurrency(self, tenants: Collection[str]) -> list[Concurrency]:
        """Return how many open rooms each of these tenants has, in this order."""
        found: list[Concurrency] = []
        listed = list(tenants)
        for first in range(0, len(listed), PART):
            part = listed[first : first + PART]
            async with self.redis.pipeline(transaction=False) as pipe:
                for tenant in part:
                    pipe.zlexcount(keys.PERMITS, *_bounds(f"tenant:{tenant}"))
                    pipe.zlexcount(keys.PERMITS, *_bounds(f"unclaimed:{tenant}"))
                    pipe.zlexcount(keys.WAITLIST, *_bounds(tenant))
                counts = [int(count) for count in await pipe.execute()]
            for tenant, (permits, unclaimed, waiting) in zip(part, zip(*[iter(counts)] * 3, strict=True), strict=True):
                # The three are not of one moment.
                found.append(Concurrency(tenant, max(0, permits - unclaimed), unclaimed, waiting))
        return found

    async def _opened(self) -> dict[str, int]:
        scan = self.redis.zscan_iter(keys.ROOMS, count=1000)
        return {str(sid): int(ms) async for sid, ms in scan}

    async def _opened_of(self, tenant: str) -> dict[str, int]:
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.zrangebylex(keys.PERMITS, *_bounds(f"tenant:{tenant}"))
            pipe.zrangebylex(keys.WAITLIST, *_bounds(tenant))
            members = await pipe.execute()
        sids = sorted({member.rpartition("\0")[2] for group in members for member in group})
        scores: Any = await cast("Any", self.redis.zmscore(keys.ROOMS, sids)) if sids else []
        return {sid: int(ms) for sid, ms in zip(sids, scores, strict=True) if ms is not None}


def _bounds(group: str) -> tuple[str, str]:
    return f"[{group}\0", f"({group}\1"
