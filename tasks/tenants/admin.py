"""All tenants at once, and changes to them in one step each: what an operator's commands do."""

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
class Entry:
    """What Redis has of one tenant: the record, as it is written, and the sealed keys by their slots."""

    record: Mapping[str, Any]
    sealed: Mapping[str, str] = field(default_factory=dict)

    @property
    def numbers(self) -> list[str]:
        """The telephone numbers of the tenant."""
        return list(self.record.get("numbers", ()))


class Changes(Protocol):
    """What is to be written: whole entries, and the ids of tenants that go."""

    @property
    def put(self) -> Mapping[str, Entry]:
        """New entries, and new versions of old ones."""

    @property
    def removed(self) -> frozenset[str]:
        """Tenants that are no more."""


C = TypeVar("C", bound=Changes)


class Ledger:
    """The tenants in one Redis. The client must decode responses. Methods raise RedisError or OSError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self) -> dict[str, Entry]:
        """Every tenant by its id, in alphabetical order."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(keys.TENANTS)
            pipe.hgetall(keys.SEALED)
            return _entries(*await pipe.execute())

    async def change(self, plan: Callable[[Mapping[str, Entry]], C], *, dry_run: bool = False) -> C:
        """Have `plan` say what is to change, write that in one step, and return it.

        Who else writes meanwhile is not overwritten: `plan` is then asked again, about what there is now. Raises
        TenantsBusy when that goes on, and what `plan` raises; then nothing was written.
        """
        async with self._redis.pipeline(transaction=True) as pipe:
            for _ in range(TRIES):
                await pipe.watch(keys.TENANTS, keys.NUMBERS, keys.SEALED)
                tenants = await cast("Any", pipe.hgetall(keys.TENANTS))
                before = _entries(tenants, await cast("Any", pipe.hgetall(keys.SEALED)))
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


def _entries(tenants: Mapping[str, str], sealed: Mapping[str, str]) -> dict[str, Entry]:
    return {
        tenant: Entry(json.loads(tenants[tenant]), json.loads(sealed.get(tenant, "{}"))) for tenant in sorted(tenants)
    }


def _write(pipe: Pipeline, before: Mapping[str, Entry], changes: Changes) -> None:
    touched = {*changes.put, *changes.removed}
    old = [number for tenant in touched & before.keys() for number in before[tenant].numbers]
    without_keys = {tenant for tenant, entry in changes.put.items() if not entry.sealed}
    # A number may go from one tenant to another in the same step.
    for name, fields in (
        (keys.NUMBERS, old),
        (keys.TENANTS, changes.removed),
        (keys.SEALED, changes.removed | without_keys),
    ):
        if fields:
            pipe.hdel(name, *fields)
    for name, content in (
        (keys.TENANTS, {tenant: _json(entry.record) for tenant, entry in changes.put.items()}),
        (keys.SEALED, {tenant: _json(entry.sealed) for tenant, entry in changes.put.items() if entry.sealed}),
        (keys.NUMBERS, {number: tenant for tenant, entry in changes.put.items() for number in entry.numbers}),
    ):
        if content:
            pipe.hset(name, mapping=cast("Any", content))


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(dict(content), ensure_ascii=False, separators=(",", ":"))
