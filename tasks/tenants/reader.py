"""Read access to the tenants in Redis, one at a time. Nothing is cached: a change counts from the next call on."""

from __future__ import annotations

import contextlib
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


class TenantReader:
    """A reader of tenants: one round trip for each. The client must decode responses.

    Every method raises RedisError or OSError when Redis is away.
    """

    def __init__(self, redis: aioredis.Redis, tiers: frozenset[str]) -> None:
        self._redis = redis
        self._tiers = tiers
        script = resources.files(__package__).joinpath("lua", "find_by_number.lua").read_text("utf-8")
        self._find_by_number = redis.register_script(script)

    async def get(self, tenant: str) -> Tenant:
        """Return a tenant, as it is now. Raises UnknownTenant or TenantInvalid."""
        return self._parse(tenant, await cast("Any", self._redis.hget(keys.TENANTS, tenant)))

    async def get_by_number(self, number: str) -> Tenant:
        """Return the tenant that has this telephone number, in E.164. Raises UnknownNumber or TenantInvalid."""
        tenant_and_content = await self._find_by_number(keys=[keys.NUMBERS, keys.TENANTS], args=[number])
        if not tenant_and_content:
            raise UnknownNumber(number=number)
        return self._parse(*tenant_and_content)

    async def get_with_keys(self, tenant: str) -> tuple[Tenant, dict[str, str]]:
        """Return a tenant and its encrypted keys by their paths. Raises UnknownTenant or TenantInvalid."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hget(keys.TENANTS, tenant)
            pipe.hget(keys.PROVIDER_KEYS, tenant)
            content, encrypted_keys = await pipe.execute()
        return self._parse(tenant, content), _record(tenant, encrypted_keys or "{}")

    def _parse(self, name: str, content: str | None) -> Tenant:
        if content is None:
            raise UnknownTenant(tenant=name)
        record = _record(name, content)
        # A newer version may have written fields that this one does not know. Callers are answered all the same.
        known = {field: record[field] for field in record.keys() & Tenant.model_fields.keys()}
        try:
            tenant = Tenant.model_validate(known | {"id": name})
        except ValidationError as error:
            problems = (one_line(problem["loc"], problem["msg"]) for problem in error.errors(include_input=False))
            raise TenantInvalid(tenant=name, problem="; ".join(problems)) from None
        if tenant.tier not in self._tiers:
            problem = f"tier {tenant.tier!r} does not exist; the tiers are {', '.join(sorted(self._tiers))}"
            raise TenantInvalid(tenant=name, problem=problem)
        return tenant

def declared_agents(client: redis.Redis) -> set[str]:
    """Return the agents that tenants name. A worker imports them before its first call.

    A record that is not readable is the matter of its tenant's calls alone. Raises RedisError or OSError.
    """
    agents = set()
    for tenant, content in cast("dict[str, str]", client.hgetall(keys.TENANTS)).items():
        with contextlib.suppress(TenantInvalid):
            agents.add(_record(tenant, content).get("agent"))
    return {agent for agent in agents if isinstance(agent, str)}


def _record(tenant: str, content: str) -> dict[str, Any]:
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise TenantInvalid(tenant=tenant, problem="its record in Redis is not readable; apply the tenants again")
    return record
