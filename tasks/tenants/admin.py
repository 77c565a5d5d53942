"""Administration of all tenants at once: read them, and change them in one step. Operators' commands use it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from redis.exceptions import WatchError

from tasks.encryption import SignatureState
from tasks.errors import TenantsBusy
from tasks.tenants import keys
from tasks.tenants.record_signer import NO_KEYS, RecordSigner

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

TRIES = 10


@dataclass(frozen=True, slots=True)
class StoredTenant:
    """A tenant as Redis has it: its record without defaults, and its encrypted keys by their paths.

    `signature`: of what was read, if the admin has the encryption keys.
    """

    record: Mapping[str, Any]
    encrypted_keys: Mapping[str, str] = field(default_factory=dict)
    signature: SignatureState = field(default=SignatureState.OF_THE_FIRST_KEY, compare=False)

    @property
    def numbers(self) -> list[str]:
        """The telephone numbers of the tenant."""
        return [number for number in self.record.get("numbers", ()) if isinstance(number, str)]


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
    """Access to all tenants in one Redis. The client must decode responses. Methods raise RedisError or OSError.

    `signer`: signs what is written. Without one, tenants can be read and removed.
    """

    def __init__(self, redis: Redis, signer: RecordSigner | None = None) -> None:
        self._redis = redis
        self._signer = signer

    async def read(self) -> dict[str, StoredTenant]:
        """Return every tenant by its id, in alphabetical order."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(keys.TENANTS)
            pipe.hgetall(keys.PROVIDER_KEYS)
            pipe.hgetall(keys.SIGNATURES)
            return self._stored_tenants(*await pipe.execute())

    async def change(self, plan: Callable[[Mapping[str, StoredTenant]], C], *, dry_run: bool = False) -> C:
        """Write the changes that `plan` returns for the stored tenants, in one step, and return them.

        Nothing that another process writes meanwhile is overwritten: `plan` is then called again with what is stored
        now. Raises TenantsBusy when that happens TRIES times, and everything that `plan` raises. Then nothing was
        written.
        """
        async with self._redis.pipeline(transaction=True) as pipe:
            for _ in range(TRIES):
                await pipe.watch(keys.TENANTS, keys.NUMBERS, keys.PROVIDER_KEYS, keys.SIGNATURES)
                hashes = (keys.TENANTS, keys.PROVIDER_KEYS, keys.SIGNATURES)
                tenants, encrypted_keys, signatures = [await cast("Any", pipe.hgetall(name)) for name in hashes]
                before = self._stored_tenants(tenants, encrypted_keys, signatures)
                changes = plan(before)
                if dry_run or not (changes.put or changes.removed):
                    return changes
                pipe.multi()  # type: ignore[no-untyped-call]  # redis-py
                self._write(pipe, before, changes)
                try:
                    await pipe.execute()
                except WatchError:
                    continue
                return changes
        raise TenantsBusy(tries=TRIES)

    def _stored_tenants(
        self, records: Mapping[str, str], encrypted_keys: Mapping[str, str], signatures: Mapping[str, str]
    ) -> dict[str, StoredTenant]:
        return {
            tenant: self._stored_tenant(tenant, records[tenant], encrypted_keys.get(tenant), signatures.get(tenant))
            for tenant in sorted(records)
        }

    def _stored_tenant(
        self, tenant: str, record: str, encrypted_keys: str | None, signature: str | None
    ) -> StoredTenant:
        state = SignatureState.OF_THE_FIRST_KEY
        if self._signer is not None:
            state = self._signer.check(tenant, record, encrypted_keys, signature)
        return StoredTenant(_parsed(record), _parsed(encrypted_keys or NO_KEYS), state)

    def _write(self, pipe: Pipeline, before: Mapping[str, StoredTenant], changes: TenantChanges) -> None:
        touched = {*changes.put, *changes.removed}
        old_numbers = [number for tenant in touched & before.keys() for number in before[tenant].numbers]
        without_keys = {tenant for tenant, stored in changes.put.items() if not stored.encrypted_keys}
        # First all deletions: a number may move from one tenant to another in the same step.
        for name, fields in (
            (keys.NUMBERS, old_numbers),
            (keys.TENANTS, changes.removed),
            (keys.PROVIDER_KEYS, changes.removed | without_keys),
            (keys.SIGNATURES, changes.removed),
        ):
            if fields:
                pipe.hdel(name, *fields)
        records = {tenant: _json(stored.record) for tenant, stored in changes.put.items()}
        encrypted_keys = {
            tenant: _json(stored.encrypted_keys) for tenant, stored in changes.put.items() if stored.encrypted_keys
        }
        for name, content in (
            (keys.TENANTS, records),
            (keys.PROVIDER_KEYS, encrypted_keys),
            (keys.SIGNATURES, self._signatures(records, encrypted_keys)),
            (keys.NUMBERS, {number: tenant for tenant, stored in changes.put.items() for number in stored.numbers}),
        ):
            if content:
                pipe.hset(name, mapping=cast("Any", content))

    def _signatures(self, records: Mapping[str, str], encrypted_keys: Mapping[str, str]) -> dict[str, str]:
        if not records:
            return {}
        if self._signer is None:
            raise TypeError("tenants are written with a signature, so only with the encryption keys")
        return {
            tenant: self._signer.sign(tenant, record, encrypted_keys.get(tenant, NO_KEYS))
            for tenant, record in records.items()
        }


def _parsed(content: str) -> dict[str, Any]:
    """Return an object; an empty one for what is none, so that it can be listed, replaced and removed."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        parsed = None
    return parsed if isinstance(parsed, dict) else {}


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(dict(content), ensure_ascii=False, separators=(",", ":"))
