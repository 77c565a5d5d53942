"""A key that exists while a process of some kind is at work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis.asyncio import Redis

RENEWALS = 6
"""Renewals within the key's TTL, so that a few may fail or come late."""


class LivenessKey:
    """The key of one process. It expires unless it is renewed; several processes may share it. `value`: for readers."""

    def __init__(self, redis: Redis, key: str, value: str, *, expire_ms: int) -> None:
        self._redis = redis
        self._key = key
        self._value = value
        self._expire_ms = expire_ms
        self._renewed_at = float("-inf")

    async def renew(self) -> None:
        """Write the key, unless that was a moment ago. Raises `redis.RedisError` or `OSError`."""
        if time.monotonic() - self._renewed_at > self._expire_ms / 1000 / RENEWALS:
            await self._redis.set(self._key, self._value, px=self._expire_ms)
            self._renewed_at = time.monotonic()
