"""The stream of records and its writers: whether the lasting records keep up with what the stream trims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ops.metrics import catalogue
from ops.metrics.series import Series
from tasks.rooms import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def show_records(series: Series, redis: Redis) -> None:
    """Show the stream. Without a group nobody has begun to write records, and there is nothing to lag behind."""
    client = cast("Any", redis)
    async with client.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.exists(keys.CALLS)
        pipe.xrange(keys.CALLS, count=1)
        (seconds, micros), exists, first = await pipe.execute()
    groups = await client.xinfo_groups(keys.CALLS) if exists else []
    group = next((group for group in groups if group["name"] == keys.RECORD_WRITERS), None)
    if group is None:
        return
    async with client.pipeline(transaction=False) as pipe:
        pipe.xrange(keys.CALLS, min=f"({group['last-delivered-id']}", count=1)
        pipe.xpending(keys.CALLS, keys.RECORD_WRITERS)
        pipe.xlen(keys.CALLS)
        unread, pending, length = await pipe.execute()
    now_ms = seconds * 1000 + micros // 1000
    oldest = [entry for entry, _ in unread] + [pending["min"] for _ in range(bool(pending["pending"]))]
    series.set(catalogue.RECORDS_UNWRITTEN, value=max((_age(entry, now_ms) for entry in oldest), default=0))
    series.set(catalogue.RECORDS_KEPT, value=_age(first[0][0], now_ms) if first else 0)
    series.set(catalogue.RECORDS_IN_STREAM, value=length)
    # What was never counted is 0, so that the first one is seen as an increase.
    for metric, field in (
        (catalogue.RECORDS_LOST, keys.RECORDS_LOST),
        (catalogue.RECORDS_REJECTED, keys.RECORDS_REJECTED),
    ):
        series.set(metric, value=int(await client.hget(keys.COUNTERS, field) or 0))


def _age(entry: str, now_ms: int) -> float:
    """Return how old an entry is, in seconds."""
    return max(0, now_ms - int(entry.partition("-")[0])) / 1000
