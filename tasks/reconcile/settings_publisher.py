"""The leading receiver's settings, published for the workers to compare theirs with: see `tasks.settings.shared`.

Beside them it says whether a database is named, never which: the exporter, which must not know its password, tells by
this whether records should be written.
"""

from __future__ import annotations

import time
from typing import Any, cast

from tasks.rooms import RoomStore, keys
from tasks.settings import Settings
from tasks.settings.shared import digest, shared_settings

EXPIRE_MS = 60_000
INTERVAL_SECONDS = EXPIRE_MS / 1000 / 4


class SettingsPublisher:
    """The publisher of one receiver's settings. It has something to do in one sweep of many."""

    def __init__(self, rooms: RoomStore, settings: Settings) -> None:
        self._redis = rooms.redis
        self._shared = shared_settings(settings)
        self._database_is_named = "url" in settings.database.model_fields_set
        self._published_at = float("-inf")

    async def sweep(self) -> None:
        """Publish the settings, before they expire. Raises RedisError or OSError."""
        if time.monotonic() - self._published_at >= INTERVAL_SECONDS:
            await self.publish()
            self._published_at = time.monotonic()

    async def publish(self) -> None:
        """Publish the settings now. Raises RedisError or OSError."""
        async with self._redis.pipeline(transaction=True) as pipe:
            # A receiver that led before may have named one.
            pipe.delete(keys.INSTALLATION)
            pipe.hset(keys.INSTALLATION, mapping=cast("Any", self._shared | {"digest": digest(self._shared)}))
            if self._database_is_named:
                pipe.hset(keys.INSTALLATION, keys.DATABASE_NAMED, "1")
            pipe.pexpire(keys.INSTALLATION, EXPIRE_MS)
            await pipe.execute()
