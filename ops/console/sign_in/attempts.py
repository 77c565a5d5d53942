"""Failed passwords, counted for each name and each address, so that a password cannot be guessed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ops.console import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

MOST_OF_ADDRESS = 30
"""A company's people may come from one address."""
MOST_OF_NAME = 100
"""More than of an address: an attacker with one must not keep the operator from signing in."""


class Attempts:
    """The failed passwords of the last quarter of an hour. Methods raise RedisError or OSError when Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def begin(self, name: str, address: str) -> bool:
        """Count an attempt before the password is checked. Return False if there have been too many."""
        counted = [(_key("name", name), MOST_OF_NAME), (_key("address", address), MOST_OF_ADDRESS)]
        async with self._redis.pipeline(transaction=True) as pipe:
            for key, _ in counted:
                pipe.set(key, 0, ex=keys.ATTEMPTS_SECONDS, nx=True)
                pipe.incr(key)
            counts = (await pipe.execute())[1::2]
        return all(int(count) <= most for count, (_, most) in zip(counts, counted, strict=True))

    async def succeeded(self, name: str, address: str) -> None:
        """Forget the attempts: the password was right."""
        await self._redis.delete(_key("name", name), _key("address", address))


def _key(kind: str, value: str) -> str:
    return keys.attempts(hashlib.sha256(f"{kind}:{value}".encode()).hexdigest())
