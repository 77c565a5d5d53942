"""Administration of all tenants at once: read them, and change them in one step. Operators' commands use it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from redis.exceptions import WatchError

from tasks.errors import TenantsBusy
from tasks.tenants import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

TRIES = 10


@dataclass(frozen=True, slots=True)
class StoredTenant:
    """A tenant as Redis has it: its record without defaults, and its encrypted keys by their paths."""

    record: Mapping[str, Any]
    encrypted_keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def numbers(self) -> list[str]:
        """The telephone numbers of the tenant."""
        return list(self.record.get("numbers", ()))


class TenantChanges(Protocol):
    """Changes to be written in one step."""

    @property
    def put(self) -> Mapping[str, StoredTenant]:
        """New tenants, and new versions of existing ones, by their ids."""

    @property
    def removed(self) -> frozenset[str]:
        """Ids of tenants to remove."""


C = TypeVar("C", bound=TenantChanges)


class TenantAdmin:
    """Access to all tenants in one Redis. The client must decode responses. Methods raise RedisError or OSError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self) -> dict[str, StoredTenant]:
        """Return every tenant by its id, in alphabetical order."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(keys.TENANTS)
            pipe.hgetall(keys.PROVIDER_KEYS)
            return _stored_tenants(*await pipe.execute())

    async def change(self, plan: Callable[[Mapping[str, StoredTenant]], C], *, dry_run: bool = False) -> C:
        """Write the changes that `plan` returns for the stored tenants, in one step, and return them.

        Nothing that another process writes meanwhile is overwritten: `plan` is then called again with what is stored
        now. Raises TenantsBusy when that happens TRIES times, and everything that `plan` raises. Then nothing was
        written.
        """
        async with self._redis.pipeline(transaction=True) as pipe:
            for _ in range(TRIES):
                await pipe.watch(keys.TENANTS, keys.NUMBERS, keys.PROVIDER_KEYS)
                tenants = await cast("Any", pipe.hgetall(keys.TENANTS))
                before = _stored_tenants(tenants, await cast("Any", pipe.hgetall(keys.PROVIDER_KEYS)))
                changes = plan(before)
                if dry_run or not (changes.put or changes.removed):
                    return changes
                pipe.multi()  # type: ignore[no-untyped-call]  # redis-py
                _write(pipe, before, changes)
                try:
                    await pipe.execute()
                except WatchError:
                    continue
                return changes
        raise TenantsBusy(tries=TRIES)


def _stored_tenants(records: Mapping[str, str], encrypted_keys: Mapping[str, str]) -> dict[str, StoredTenant]:
    return {
        tenant: StoredTenant(json.loads(records[tenant]), json.loads(encrypted_keys.get(tenant, "{}")))
        for tenant in sorted(records)
    }


def _write(pipe: Pipeline, before: Mapping[str, StoredTenant], changes: TenantChanges) -> None:
    touched = {*changes.put, *changes.removed}
    old_numbers = [number for tenant in touched & before.keys() for number in before[tenant].numbers]
    without_keys = {tenant for tenant, stored in changes.put.items() if not stored.encrypted_keys}
    # First all deletions: a number may move from one tenant to another in the same step.
    for name, fields in (
        (keys.NUMBERS, old_numbers),
        (keys.TENANTS, changes.removed),
        (keys.PROVIDER_KEYS, changes.removed | without_keys),
    ):
        if fields:
            pipe.hdel(name, *fields)
    for name, content in (
        (keys.TENANTS, {tenant: _json(stored.record) for tenant, stored in changes.put.items()}),
        (
            keys.PROVIDER_KEYS,
            {tenant: _json(stored.encrypted_keys) for tenant, stored in changes.put.items() if stored.encrypted_keys},
        ),
        (keys.NUMBERS, {number: tenant for tenant, stored in changes.put.items() for number in stored.numbers}),
    ):
        if content:
            pipe.hset(name, mapping=cast("Any", content))


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(dict(content), ensure_ascii=False, separators=(",", ":"))
