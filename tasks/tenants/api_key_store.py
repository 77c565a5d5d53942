"""The API keys in Redis: receivers look them up, operators create and revoke them.

Nothing is cached: a lookup is one HGET, and a key that was revoked opens nothing from the next request on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import RedisError

from tasks.tenants import keys
from tasks.tenants.api_keys import ApiKey, ConfiguredKeys, Scope, digest, id_of, new_key

if TYPE_CHECKING:
    from redis.asyncio import Redis

USE_SECONDS = 60.0
"""The use of a key is written so often at most, by each receiver."""


class ApiKeyReader:
    """The lookup of API keys: those of the setting, and those in Redis. The client must decode responses."""

    def __init__(
        self, redis: Redis, configured: ConfiguredKeys | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.redis = redis
        self._configured = configured or ConfiguredKeys(())
        self._clock = clock
        self._noted: dict[str, float] = {}

    async def find(self, presented: str) -> ApiKey | None:
        """Return the key that a client has presented, also if it is expired; None if there is no such key.

        Redis is asked only about what has the form of its keys. Raises RedisError or OSError when it is away.
        """
        if (configured := self._configured.find(presented)) is not None:
            return configured
        key_id = id_of(presented)
        content = None if key_id is None else await cast("Any", self.redis.hget(keys.API_KEYS, key_id))
        if key_id is None or content is None:
            return None
        key = ApiKey.from_json(key_id, content)
        return key if key is not None and key.is_made_of(presented) else None

    async def note_use(self, key: ApiKey) -> None:
        """Note that a key is used now, for `switchboard keys list`. No request fails for it."""
        now = self._clock()
        if key.is_configured or now - self._noted.get(key.id, 0.0) < USE_SECONDS:
            return
        self._noted[key.id] = now
        with suppress(RedisError, OSError):
            await cast("Any", self.redis.hset(keys.API_KEY_USES, key.id, str(int(now))))


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key in Redis, and when a receiver has noted its last use, unix seconds."""

    key: ApiKey
    used_at: int | None


class ApiKeyAdmin:
    """All API keys in one Redis. The client must decode responses. Methods raise RedisError or OSError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def create(
        self, *, tenants: Iterable[str], scopes: Iterable[Scope], name: str = "", expires_at: int | None = None
    ) -> tuple[str, ApiKey]:
        """Create a key. Returns it, which nobody can do again, and what is kept of it."""
        key_id, presented = new_key()
        key = ApiKey(
            id=key_id,
            sha256=digest(presented),
            tenants=frozenset(tenants),
            scopes=frozenset(scopes),
            name=name,
            created_at=int(time.time()),
            expires_at=expires_at,
        )
        await cast("Any", self._redis.hset(keys.API_KEYS, key_id, key.to_json()))
        return presented, key

    async def list(self) -> list[StoredKey]:
        """List the keys, the newest first."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(keys.API_KEYS)
            pipe.hgetall(keys.API_KEY_USES)
            records, uses = cast("tuple[dict[str, str], dict[str, str]]", await pipe.execute())
        read = (ApiKey.from_json(key_id, content) for key_id, content in records.items())
        stored = [StoredKey(key, int(uses[key.id]) if key.id in uses else None) for key in read if key is not None]
        return sorted(stored, key=lambda each: (-(each.key.created_at or 0), each.key.id))

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key, from the next request on. Returns False if there is no such key."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(keys.API_KEYS, key_id)
            pipe.hdel(keys.API_KEY_USES, key_id)
            removed, _ = await pipe.execute()
        return bool(removed)
