"""A worker's heartbeat in Redis: what `switchboard ps` and health checks read."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import RedisError

from tasks.rooms import keys

if TYPE_CHECKING:
    from redis import Redis

    from tasks.rooms import WorkerStatus

BEAT_SECONDS = 0.5
EXPIRE_MS = 5000
BACKOFF_SECONDS = 5.0

logger = logging.getLogger("switchboard.tasks.worker")


class Heartbeat:
    """Writes a worker's status, with a TTL. After a failure it waits a while: the main loop must not hang on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._not_before = 0.0

    def beat(self, status: WorkerStatus) -> None:
        """Write the status now."""
        if time.monotonic() < self._not_before:
            return
        key = keys.worker(status.node)
        try:
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(key, mapping=cast("Any", status.fields()))
                pipe.pexpire(key, EXPIRE_MS)
                pipe.execute()
        except (RedisError, OSError) as error:
            self._not_before = time.monotonic() + BACKOFF_SECONDS
            logger.warning("heartbeat not written", extra={"error": type(error).__name__})

    def forget(self, node: str) -> None:
        """The worker stops: remove its status."""
        try:
            self._redis.delete(keys.worker(node))
        except (RedisError, OSError):
            logger.warning("heartbeat not removed; it expires by itself")
