"""A worker's heartbeat in Redis, which `switchboard ps` and health checks read."""

from __future__ import annotations

import logging
import time
from importlib import resources
from typing import Any, cast

from redis import Redis
from redis.exceptions import RedisError

from tasks.redis_client import Outage
from tasks.rooms import WorkerStatus, keys
from tasks.worker.presence.process_identity import ProcessIdentity

BEAT_SECONDS = 0.5
EXPIRE_MS = 5000
BACKOFF_SECONDS = 5.0
SLOW_SECONDS = 0.1

logger = logging.getLogger("switchboard.tasks.worker")


class Heartbeat:
    """The writer of a worker's status, which expires. A failure that blocks the main process is followed by a pause.

    `predecessor`: a process that has ended, whose name this one takes over: see `tasks.worker.presence.node_name`.
    """

    def __init__(self, redis: Redis, outage: Outage, predecessor: str) -> None:
        self._redis = redis
        self._outage = outage
        self._process = str(ProcessIdentity.current())
        self._predecessor = predecessor
        self._paused_until = 0.0
        self._beat = redis.register_script(_source())
        self.name_holder = ""
        """Another process that has this worker's name; "" as long as nobody else has it."""
        self.installation_digest = ""
        """The digest of the receivers' settings: see `tasks.settings.shared`."""

    def resume(self) -> None:
        """End a pause: Redis has answered somebody else."""
        self._paused_until = 0.0

    def beat(self, status: WorkerStatus) -> None:
        """Write the status, unless another process has the name."""
        began = time.monotonic()
        if began < self._paused_until:
            return
        fields = [part for field in status.fields().items() for part in field]
        try:
            answer = self._beat(
                keys=[keys.worker(status.node)],
                args=[self._process, self._predecessor, EXPIRE_MS, keys.INSTALLATION, *fields],
            )
        except (RedisError, OSError) as error:
            # An error reply takes no time, and may be over with the next beat.
            if time.monotonic() - began > SLOW_SECONDS:
                self._paused_until = time.monotonic() + BACKOFF_SECONDS
            self._outage.failed(error)
            return
        self._outage.answered()
        self.name_holder, self.installation_digest = cast("list[str]", answer)

    def remove(self, node: str) -> None:
        """Remove the status of a worker that stops; not that of another process with its name."""
        key = keys.worker(node)
        try:
            if cast("Any", self._redis.hget(key, "process")) == self._process:
                self._redis.delete(key)
        except (RedisError, OSError):
            logger.warning("heartbeat not removed; it will expire")


def _source() -> str:
    return resources.files(__package__).joinpath("lua", "beat.lua").read_text("utf-8")
