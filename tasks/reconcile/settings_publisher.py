"""The leading receiver's settings, published for the workers to compare theirs with: see `tasks.installation`."""

from __future__ import annotations

import time

from tasks import installation
from tasks.rooms import RoomStore, keys
from tasks.settings import Settings

INTERVAL_SECONDS = installation.EXPIRE_MS / 1000 / 4


class SettingsPublisher:
    """The publisher of one receiver's settings. It has something to do in one sweep of many."""

    def __init__(self, rooms: RoomStore, settings: Settings) -> None:
        self._redis = rooms.redis
        self._shared = installation.shared_settings(settings)
        self._published_at = float("-inf")

    async def sweep(self) -> None:
        """Publish the settings, before they expire. Raises RedisError or OSError."""
        if time.monotonic() - self._published_at >= INTERVAL_SECONDS:
            await installation.publish(self._redis, keys.INSTALLATION, self._shared)
            self._published_at = time.monotonic()
