"""The node name of a worker, which one process has at a time.

Two workers with one name would overwrite each other's heartbeat, and a drain of one would stop both. A name is free
when its heartbeat has expired, or when the process that has it ended on this host: a worker that is started again after
a crash has its name at once. The process of another host or container cannot be looked at, so its next heartbeat is
waited for.
"""

from __future__ import annotations

import logging
import time
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

from tasks.rooms import keys
from tasks.worker.presence.heartbeat import EXPIRE_MS
from tasks.worker.presence.process_identity import ProcessIdentity, has_ended

POLL_SECONDS = 0.2

logger = logging.getLogger("switchboard.tasks.worker")


class NodeNameTaken(Exception):
    """Raised when another worker has the node name. The message is for the operator."""

    def __init__(self, node: str, holder: str) -> None:
        identity = ProcessIdentity.parse(holder)
        pid = f", with the pid {identity.pid} where it runs" if identity else ""
        super().__init__(f"A worker {node} is up already{pid}. Give each its own name: -n <name>@%h.")


def require_free_name(redis: Redis, node: str) -> None:
    """Return when the name is free. The first heartbeat then takes it, also from a process that has ended here.

    Raises NodeNameTaken if another process has it. While Redis is away nobody knows; the first heartbeat finds out.
    """
    key = keys.worker(node)
    try:
        holder = cast("str | None", redis.hget(key, "process"))
        if not holder:
            return
        ended = has_ended(holder)
        if ended is False or (ended is None and _beats(redis, key)):
            raise NodeNameTaken(node, holder)
    except (RedisError, OSError) as error:
        logger.warning("node name not checked yet", extra={"error": type(error).__name__})


def _beats(redis: Redis, key: str) -> bool:
    """Wait for the next heartbeat. Return False if the last one expires first."""
    deadline = time.monotonic() + 2 * EXPIRE_MS / 1000
    before = redis.pttl(key)
    while before > 0 and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        now = redis.pttl(key)
        if now > before:
            return True
        before = now
    return False
