"""Tenants in Redis, read one at a time, each in one round trip. Nothing is remembered from one time to the next."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from tasks.errors import TenantInvalid, UnknownNumber, UnknownTenant
from tasks.tenants import keys
from tasks.tenants.tenant import Tenant, one_line

if TYPE_CHECKING:
    import redis
    from redis import asyncio as aioredis


class RedisTenants:
    """See `TenantStore`. The client must decode responses."""

    def __init__(self, redis: aioredis.Redis, tiers: frozenset[str]) -> None:
        self._redis = redis
        self._tiers = tiers
        script = resources.files(__package__).joinpath("find_by_number.lua").read_text("utf-8")
        self._find_by_number = redis.register_script(script)

    async def get(self, tenant: str) -> Tenant:
        """See `TenantStore`."""
        return self._read(tenant, await cast("Any", self._redis.hget(keys.TENANTS, tenant)))

    async def by_number(self, number: str) -> Tenant:
        """See `TenantStore`."""
        found = await self._find_by_number(keys=[keys.NUMBERS, keys.TENANTS], args=[number])
        if not found:
            raise UnknownNumber(number=number)
        return self._read(*found)

    async def with_keys(self, tenant: str) -> tuple[Tenant, dict[str, str]]:
        """The tenant, and its keys by their slots, sealed. Raises UnknownTenant or TenantInvalid."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hget(keys.TENANTS, tenant)
            pipe.hget(keys.SEALED, tenant)
            content, sealed = await pipe.execute()
        return self._read(tenant, content), json.loads(sealed or "{}")

    def _read(self, tenant: str, content: str | None) -> Tenant:
        if content is None:
            raise UnknownTenant(tenant=tenant)
        record = json.loads(content)
        try:
            # What a newer version has applied is no reason to leave a caller unanswered by an older one.
            found = Tenant.model_validate(
                {name: record[name] for name in record.keys() & Tenant.model_fields.keys()} | {"id": tenant}
            )
        except ValidationError as error:
            problems = (one_line(problem["loc"], problem["msg"]) for problem in error.errors(include_input=False))
            raise TenantInvalid(tenant=tenant, problem="; ".join(problems)) from None
        if found.tier not in self._tiers:
            problem = f"tier {found.tier!r} does not exist; the tiers are {', '.join(sorted(self._tiers))}"
            raise TenantInvalid(tenant=tenant, problem=problem)
        return found


def agents(client: redis.Redis) -> set[str]:
    """The agents that tenants name, for the worker to import before the first call. Raises RedisError or OSError."""
    records = (json.loads(content) for content in cast("list[str]", client.hvals(keys.TENANTS)))
    return {record["agent"] for record in records if "agent" in record}
