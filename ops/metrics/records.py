"""The stream of records and its writers: whether the lasting records keep up with what the stream trims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ops.metrics import catalogue
from ops.metrics.series import Series
from tasks.rooms import keys
from tasks.rooms.record_lag import read_lag

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def show_records(series: Series, redis: Redis) -> None:
    """Show the stream, if a writer has begun, or if the receivers name a database: then one should have."""
    is_wanted = bool(await cast("Any", redis).hexists(keys.INSTALLATION, keys.DATABASE_NAMED))
    lag = await read_lag(redis, is_wanted=is_wanted)
    if lag is None:
        return
    series.set(catalogue.RECORDS_UNWRITTEN, value=lag.unwritten_seconds)
    series.set(catalogue.RECORDS_KEPT, value=lag.kept_seconds)
    series.set(catalogue.RECORDS_IN_STREAM, value=lag.length)
    # What was never counted is 0, so that the first one is seen as an increase.
    for metric, field in (
        (catalogue.RECORDS_LOST, keys.RECORDS_LOST),
        (catalogue.RECORDS_REJECTED, keys.RECORDS_REJECTED),
    ):
        series.set(metric, value=int(await cast("Any", redis).hget(keys.COUNTERS, field) or 0))
