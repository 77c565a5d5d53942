"""The actions on stored requests, a method for each Lua script."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from tasks.queue.idempotency.key import IdempotencyKey, IdempotentRequest

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

REQUEST_MS = 24 * 3600 * 1000
"""The TTL of a stored request: a client may repeat it for so long."""


def redis_key(digest: str) -> str:
    """Return the Redis key of a stored request, a hash."""
    return f"switchboard:idempotency:{digest}"


class IdempotencyStore:
    """The stored requests in one Redis. The client must decode responses.

    Every method raises `redis.RedisError` or `OSError` when Redis is away.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._begin_request = self._script("begin_request")
        self._finish_request = self._script("finish_request")

    def _script(self, action: str) -> AsyncScript:
        source = resources.files(__package__).joinpath("lua", f"{action}.lua").read_text("utf-8")
        return self.redis.register_script(source)

    async def begin(self, key: IdempotencyKey, *, room: str, now: int) -> IdempotentRequest:
        """Return the stored request; a new one is stored with this name of a room, and with `now` in unix seconds."""
        fingerprint, name, made_at, sid = await self._begin_request(
            keys=[redis_key(key.digest)], args=[key.fingerprint, room, now, REQUEST_MS]
        )
        return IdempotentRequest(fingerprint, name, int(made_at), sid or None)

    async def finish(self, key: IdempotencyKey, *, room: str, sid: str) -> str:
        """Store the sid of the room that is open now. Returns the stored one, which an earlier try may have set."""
        return await self._finish_request(keys=[redis_key(key.digest)], args=[room, sid]) or sid
