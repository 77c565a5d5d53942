"""The calls that backends have asked to erase, until the console has erased them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.rooms import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

SEPARATOR = "\0"


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """A call that is to be erased, if it is this tenant's.

    `api_key`: the id of the key of the backend that asks; "" in a request of an older receiver.
    """

    tenant: str
    sid: str
    api_key: str = ""

    @property
    def member(self) -> str:
        """The member of the sorted set."""
        return SEPARATOR.join((self.tenant, self.sid, *([self.api_key] if self.api_key else [])))


class ErasureRequests:
    """The requests in one Redis, the oldest first. They have no TTL: one that got lost would be a promise broken.

    The client must decode responses. Every method raises `redis.RedisError` or `OSError` when Redis is away.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(self, request: ErasureRequest) -> None:
        """Add a request. One that is there already keeps its place."""
        await self._redis.zadd(keys.ERASURES, {request.member: _now_ms()}, nx=True)

    async def oldest(self, most: int) -> list[ErasureRequest]:
        """Return the oldest requests."""
        members = await self._redis.zrange(keys.ERASURES, 0, most - 1)
        return [ErasureRequest(*str(member).split(SEPARATOR, 2)) for member in members]

    async def remove(self, request: ErasureRequest) -> None:
        """Remove a request whose call is erased."""
        await self._redis.zrem(keys.ERASURES, request.member)

    async def defer(self, request: ErasureRequest) -> None:
        """Put a request that failed behind the others."""
        await self._redis.zadd(keys.ERASURES, {request.member: _now_ms()}, xx=True)


def _now_ms() -> int:
    # Only the order of requests depends on it: their host's clock will do.
    return time.time_ns() // 1_000_000
