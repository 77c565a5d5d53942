"""Counters of the installation that no record has: they are in one hash, for metrics alone.

Calls that were started are counted by the scripts that open rooms.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from tasks.rooms import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis


class SweepName(StrEnum):
    """A sweep of the reconciler that repairs something, by the name that it has in the log."""

    LOST_CALLS = "lost calls"
    LOST_MESSAGES = "lost messages"
    PERMITS = "permits"
    EXPIRED_WAITS = "expired waits"
    UNANNOUNCED_ROOMS = "unannounced rooms"
    MISSING_ROOMS = "missing rooms"
    ABSENT_AGENTS = "absent agents"
    TENANTLESS_ROOMS = "tenantless rooms"


Repairs = Counter[SweepName]
"""Things repaired, by the sweep that has repaired them."""


class UploadOutcome(StrEnum):
    """The outcome of an upload. UNWANTED: its tenant does not record. FAILED: the console could not keep it."""

    TAKEN = "taken"
    UNWANTED = "unwanted"
    REFUSED = "refused"
    FAILED = "failed"


class Counters:
    """The counters in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def tick(self, now_ms: int, repairs: Repairs) -> None:
        """Count a tick of the leader that has come to its end, and its repairs, which are cleared then.

        Raises `redis.RedisError` or `OSError` when Redis is away; the repairs are counted with the next tick.
        """
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.COUNTERS, keys.TICKED_MS, now_ms)
            for sweep, number in (+repairs).items():
                pipe.hincrby(keys.COUNTERS, f"{keys.REPAIRED}:{sweep}", number)
            counted = repairs.copy()
            await pipe.execute()
        # Sweeps beside the ticks may have repaired more meanwhile.
        repairs.subtract(counted)

    async def count_upload(self, kind: str, outcome: UploadOutcome) -> None:
        """Count an upload of an agent. Raises `redis.RedisError` or `OSError` when Redis is away."""
        await cast("Any", self._redis).hincrby(keys.COUNTERS, f"{keys.UPLOADED}:{kind}:{outcome}", 1)
