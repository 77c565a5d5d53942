"""The tiers and limits that tenants declare, of some or of all, a part at a time."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from tasks.tenants import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

PART = 100


@dataclass(frozen=True, slots=True)
class DeclaredLimits:
    """The tier of a tenant, and how many of its calls may be queued or answered at once; None for no limit."""

    tenant: str
    tier: str
    max_calls: int | None


async def declared_limits(redis: Redis, tenants: Collection[str] | None = None) -> list[DeclaredLimits]:
    """Return the limits of those of these tenants that are declared, or of all, by their ids.

    The client must decode responses. Raises RedisError or OSError.
    """
    records: dict[str, str] = {}
    if tenants is None:
        async for tenant, record in redis.hscan_iter(keys.TENANTS, count=PART):
            records[str(tenant)] = str(record)
    elif tenants:
        listed = sorted(tenants)
        values = await cast("Any", redis.hmget(keys.TENANTS, listed))
        records = {tenant: record for tenant, record in zip(listed, values, strict=True) if record is not None}
    return list(_read(records.items()))


def _read(records: Iterable[tuple[str, str]]) -> Iterable[DeclaredLimits]:
    for tenant, content in sorted(records):
        try:
            record: Any = json.loads(content)
        except (ValueError, RecursionError):
            record = None
        record = record if isinstance(record, dict) else {}
        most = record.get("max_calls")
        yield DeclaredLimits(tenant, str(record.get("tier", "")), most if isinstance(most, int) else None)
