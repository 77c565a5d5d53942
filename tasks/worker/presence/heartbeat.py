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
from tasks.worker.presence.process_identity import ProcessIdentity, has_ended

BEAT_SECONDS = 0.5
EXPIRE_MS = 5000
BACKOFF_SECONDS = 5.0
SLOW_SECONDS = 0.1

logger = logging.getLogger("switchboard.tasks.worker")


class Heartbeat:
    """The writer of a worker's status, which expires. A failure that blocks the main process is followed by a pause.

    The name of a process that has ended on this host is taken over, whenever it is found: its last heartbeat may reach
    Redis after its end.
    """

    def __init__(self, redis: Redis, outage: Outage) -> None:
        self._redis = redis
        self._outage = outage
        self._process = str(ProcessIdentity.current())
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
        """Write the status, unless another process that has not ended has the name."""
        began = time.monotonic()
        if began < self._paused_until:
            return
        try:
            holder, digest = self._write(status)
            if holder and has_ended(holder):
                holder, digest = self._write(status, predecessor=holder)
        except (RedisError, OSError) as error:
            # An error reply takes no time, and may be over with the next beat.
            if time.monotonic() - began > SLOW_SECONDS:
                self._paused_until = time.monotonic() + BACKOFF_SECONDS
            self._outage.failed(error)
            return
        self._outage.answered()
        self.name_holder, self.installation_digest = holder, digest

    def remove(self, node: str) -> None:
        """Remove the status of a worker that stops; not that of another process with its name."""
        key = keys.worker(node)
        try:
            if cast("Any", self._redis.hget(key, "process")) == self._process:
                self._redis.delete(key)
        except (RedisError, OSError):
            logger.warning("heartbeat not removed; it will expire")

    def _write(self, status: WorkerStatus, *, predecessor: str = "") -> list[str]:
        fields: list[Any] = [part for field in status.fields().items() for part in field]
        arguments = [self._process, predecessor, EXPIRE_MS, keys.INSTALLATION, *fields]
        return cast("list[str]", self._beat(keys=[keys.worker(status.node)], args=arguments))


def _source() -> str:
    return resources.files(__package__).joinpath("lua", "beat.lua").read_text("utf-8")
