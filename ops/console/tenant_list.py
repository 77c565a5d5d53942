"""The tenants that are declared, without their keys: the console's user of Redis may not read those."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from tasks.tenants import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def list_tenants(redis: Redis) -> dict[str, Mapping[str, Any]]:
    """Return each tenant's record by its id, in alphabetical order. Raises RedisError or OSError.

    A record that is none is an empty one, so that the tenant is shown all the same.
    """
    records = cast("dict[str, str]", await cast("Any", redis.hgetall(keys.TENANTS)))
    return {name: _parsed(records[name]) for name in sorted(records)}


def _parsed(content: str) -> Mapping[str, Any]:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        parsed = None
    return parsed if isinstance(parsed, dict) else {}
