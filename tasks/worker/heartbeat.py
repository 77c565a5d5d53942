"""A worker's heartbeat in Redis, which `switchboard ps` and health checks read."""

from __future__ import annotations

import logging
import time
from typing import Any, cast

from redis import Redis
from redis.exceptions import RedisError

from tasks.redis_client import Outage
from tasks.rooms import WorkerStatus, keys

BEAT_SECONDS = 0.5
EXPIRE_MS = 5000
BACKOFF_SECONDS = 5.0
SLOW_SECONDS = 0.1

logger = logging.getLogger("switchboard.tasks.worker")


class Heartbeat:
    """The writer of a worker's status, which expires. A failure that blocks the main process is followed by a pause."""

    def __init__(self, redis: Redis, outage: Outage) -> None:
        self._redis = redis
        self._outage = outage
        self._paused_until = 0.0

    def resume(self) -> None:
        """End a pause: Redis has answered somebody else."""
        self._paused_until = 0.0

    def beat(self, status: WorkerStatus) -> None:
        """Write the status."""
        began = time.monotonic()
        if began < self._paused_until:
            return
        key = keys.worker(status.node)
        try:
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(key, mapping=cast("Any", status.fields()))
                pipe.pexpire(key, EXPIRE_MS)
                pipe.execute()
        except (RedisError, OSError) as error:
            # An error reply takes no time, and may be over with the next beat.
            if time.monotonic() - began > SLOW_SECONDS:
                self._paused_until = time.monotonic() + BACKOFF_SECONDS
            self._outage.failed(error)
        else:
            self._outage.answered()

    def remove(self, node: str) -> None:
        """Remove the status of a worker that stops."""
        try:
            self._redis.delete(keys.worker(node))
        except (RedisError, OSError):
            logger.warning("heartbeat not removed; it will expire")
