"""Read access to the tenants in Redis, one at a time. Nothing is cached: a change counts from the next call on."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from tasks.encryption import SignatureState
from tasks.errors import NoTenantSigned, TenantInvalid, TenantNotSigned, UnknownNumber, UnknownTenant
from tasks.tenants import keys
from tasks.tenants.record_signer import RecordSigner
from tasks.tenants.tenant import Tenant, one_line

if TYPE_CHECKING:
    import redis
    from redis import asyncio as aioredis

UNREADABLE = "its record in Redis is not a JSON object; apply the tenants file again: switchboard tenants apply"

logger = logging.getLogger("switchboard.tasks.tenants")


class TenantReader:
    """A reader of tenants: one round trip for each, two by a number. The client must decode responses.

    `signer`: checks the signature of a call's tenant. Receivers, which have no encryption keys, have none.

    Every method raises RedisError or OSError when Redis is away.
    """

    def __init__(self, redis: aioredis.Redis, tiers: frozenset[str], signer: RecordSigner | None = None) -> None:
        self._redis = redis
        self._signer = signer
        self._tiers = tiers

    async def get(self, tenant: str) -> Tenant:
        """Return a tenant, as it is now. Raises UnknownTenant or TenantInvalid."""
        return self._parse(tenant, await cast("Any", self._redis.hget(keys.TENANTS, tenant)))

    async def get_first(self, tenants: Sequence[str]) -> Tenant | None:
        """Return the first of these tenants that is declared, or None. Raises TenantInvalid."""
        contents = await cast("Any", self._redis.hmget(keys.TENANTS, list(tenants))) if tenants else []
        declared = [pair for pair in zip(tenants, contents, strict=True) if pair[1] is not None]
        return self._parse(*declared[0]) if declared else None

    async def get_by_number(self, number: str) -> Tenant:
        """Return the tenant that has this telephone number, in E.164. Raises UnknownNumber or TenantInvalid."""
        # Not a script: to Redis' access control each key of a script is written.
        tenant = await cast("Any", self._redis.hget(keys.NUMBERS, number))
        content = None if tenant is None else await cast("Any", self._redis.hget(keys.TENANTS, tenant))
        if content is None:
            raise UnknownNumber(number=number)
        return self._parse(tenant, content)

    async def get_with_keys(self, tenant: str) -> tuple[Tenant, dict[str, str]]:
        """Return a tenant whose signature is right, and its encrypted keys by their paths.

        Raises UnknownTenant, TenantNotSigned or TenantInvalid.
        """
        if self._signer is None:
            raise TypeError("this reader has no encryption keys, so it cannot check a signature")
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hget(keys.TENANTS, tenant)
            pipe.hget(keys.PROVIDER_KEYS, tenant)
            pipe.hget(keys.SIGNATURES, tenant)
            content, encrypted_keys, signature = await pipe.execute()
        if content is not None:
            self._signer.require(tenant, content, encrypted_keys, signature)
        return self._parse(tenant, content), _object(tenant, encrypted_keys or "{}")

    def _parse(self, name: str, content: str | None) -> Tenant:
        if content is None:
            raise UnknownTenant(tenant=name)
        record = _object(name, content)
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


def declared_agents(client: redis.Redis, signer: RecordSigner) -> set[str]:
    """Return the agents that tenants name. A worker imports them before its first call, if the signature is right.

    Raises RedisError or OSError.
    """
    agents: set[str] = set()
    with client.pipeline(transaction=True) as pipe:
        for name in (keys.TENANTS, keys.PROVIDER_KEYS, keys.SIGNATURES):
            pipe.hgetall(name)
        records, encrypted_keys, signatures = cast("list[dict[str, str]]", pipe.execute())
    for tenant, content in records.items():
        try:
            agent = _object(tenant, content).get("agent")
            if agent:
                signer.require(tenant, content, encrypted_keys.get(tenant), signatures.get(tenant))
        except (TenantInvalid, TenantNotSigned) as error:
            logger.error("agent of a tenant not imported", extra={"problem": str(error)})  # noqa: TRY400 - no trace
        else:
            agents |= {agent} if isinstance(agent, str) else set()
    return agents


def require_own_signatures(client: redis.Redis, signer: RecordSigner) -> None:
    """Raise NoTenantSigned if there are tenants, and none is signed with a key that this process has.

    It could answer no call. Raises RedisError or OSError.
    """
    with client.pipeline(transaction=True) as pipe:
        for name in (keys.TENANTS, keys.PROVIDER_KEYS, keys.SIGNATURES):
            pipe.hgetall(name)
        records, encrypted_keys, signatures = cast("list[dict[str, str]]", pipe.execute())
    states = (
        signer.check(tenant, content, encrypted_keys.get(tenant), signatures.get(tenant))
        for tenant, content in records.items()
    )
    if records and all(state is SignatureState.BROKEN for state in states):
        raise NoTenantSigned(count=len(records))


def _object(tenant: str, content: str) -> dict[str, Any]:
    try:
        # RecursionError: a few thousand brackets.
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise TenantInvalid(tenant=tenant, problem=UNREADABLE)
    return parsed
