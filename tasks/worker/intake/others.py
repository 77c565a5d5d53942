"""The other workers that could take a call now, by their heartbeats.

A call that has failed goes to another worker first, because the fault may be this one's alone: a module that is missing
on its host, or a secret of its own. Its message names the worker that had it (`tasks.queue.message.AVOID`).
"""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

from tasks.rooms import Intake, keys

SCAN_BATCH = 1000


class Others(StrEnum):
    """The other workers of a queue: one is open, all are closed (full, for a while), or there is none that answers."""

    OPEN = "open"
    CLOSED = "closed"
    NONE = "none"


logger = logging.getLogger("switchboard.tasks.worker")


class OtherWorkers:
    """The workers beside `node`."""

    def __init__(self, redis: Redis, node: str) -> None:
        self._redis = redis
        self._node = node

    def of(self, queue: str) -> Others:
        """Return the state of the others of this queue. While Redis is away there are none."""
        try:
            own = keys.worker(self._node)
            found = self._redis.scan_iter(f"{keys.WORKERS}*", count=SCAN_BATCH)
            others = [str(key) for key in found if key != own]
            with self._redis.pipeline(transaction=False) as pipe:
                for key in others:
                    pipe.hmget(key, ["queues", "state", "idle"])
                beats = cast("list[list[str | None]]", pipe.execute())
        except (RedisError, OSError) as error:
            logger.warning("other workers not known", extra={"error": type(error).__name__})
            return Others.NONE
        states = [(state, int(idle or "0")) for queues, state, idle in beats if queue in (queues or "").split(",")]
        if any(state == Intake.OPEN and idle > 0 for state, idle in states):
            return Others.OPEN
        unusable = {Intake.DRAINING, Intake.FAILING, Intake.PREWARM}
        return Others.CLOSED if any(state not in unusable for state, _ in states) else Others.NONE
