"""The actions on requests: one method for each Lua script."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from tasks.idempotency.key import Once, Request
from tasks.rooms import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

KEPT_MS = 24 * 3600 * 1000


class RequestStore:
    """The requests in one Redis. The client must decode responses.

    Every method raises `redis.RedisError` or `OSError` when Redis is away.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._begin = self._script("begin_request")
        self._finish = self._script("finish_request")

    def _script(self, action: str) -> AsyncScript:
        return self.redis.register_script(resources.files(__package__).joinpath(f"{action}.lua").read_text("utf-8"))

    async def begin(self, once: Once, *, room: str, now: int) -> Request:
        """What is kept of the request; if it is new, the name of its room and the unix seconds that were passed."""
        args: list[str | int] = [once.fingerprint, room, now, KEPT_MS]
        fingerprint, name, made_at, sid = await self._begin(keys=[keys.request(once.digest)], args=args)
        return Request(fingerprint, name, int(made_at), sid or None)

    async def finish(self, once: Once, *, room: str, sid: str) -> str:
        """The room is open. Returns the sid that the request has: another one, if another try has been first."""
        return await self._finish(keys=[keys.request(once.digest)], args=[room, sid]) or sid
