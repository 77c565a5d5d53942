"""The lag of the writers: what of the stream is not in the database yet, and whether one writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from tasks.rooms import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis


@dataclass(frozen=True, slots=True)
class StreamLag:
    """The stream, as the writers have left it.

    `unwritten_seconds`: the age of the oldest record that is not in the database, 0 if all are. `kept_seconds`: that of
    the oldest in the stream.
    """

    unwritten_seconds: float
    kept_seconds: float
    length: int


async def read_lag(redis: Redis, *, is_wanted: bool = False) -> StreamLag | None:
    """Return the lag, or None if no writer has ever begun: nobody lags behind then.

    `is_wanted`: the records are to be in a database, so that without a writer all of the stream is unwritten. Raises
    `redis.RedisError` or `OSError`.
    """
    client = cast("Any", redis)
    async with client.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.exists(keys.CALLS)
        pipe.xrange(keys.CALLS, count=1)
        (seconds, micros), exists, first = await pipe.execute()
    groups = await client.xinfo_groups(keys.CALLS) if exists else []
    group = next((group for group in groups if group["name"] == keys.RECORD_WRITERS), None)
    now_ms = seconds * 1000 + micros // 1000
    if group is None:
        if not is_wanted:
            return None
        length, oldest = await client.xlen(keys.CALLS), [entry for entry, _ in first]
    else:
        async with client.pipeline(transaction=False) as pipe:
            pipe.xrange(keys.CALLS, min=f"({group['last-delivered-id']}", count=1)
            pipe.xpending(keys.CALLS, keys.RECORD_WRITERS)
            pipe.xlen(keys.CALLS)
            unread, pending, length = await pipe.execute()
        oldest = [entry for entry, _ in unread] + [pending["min"] for _ in range(bool(pending["pending"]))]
    return StreamLag(
        unwritten_seconds=max((_age(entry, now_ms) for entry in oldest), default=0.0),
        kept_seconds=_age(first[0][0], now_ms) if first else 0.0,
        length=length,
    )


async def writer_is_alive(redis: Redis) -> bool:
    """Return whether a writer was heard within the last 30 s. Raises `redis.RedisError` or `OSError`."""
    return bool(await cast("Any", redis).exists(keys.RECORD_WRITER))


def _age(entry: str, now_ms: int) -> float:
    """Return how old an entry is, in seconds."""
    return max(0, now_ms - int(entry.partition("-")[0])) / 1000
