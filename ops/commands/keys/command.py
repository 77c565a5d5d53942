"""The commands of `switchboard keys`. Each function returns the exit status."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from ops.commands import terminal
from ops.commands.running import exit_status
from tasks.errors import UnknownTenant
from tasks.redis_client import connect
from tasks.settings import RedisSettings
from tasks.tenants import keys as redis_keys
from tasks.tenants.api_key_store import ApiKeyAdmin, StoredKey
from tasks.tenants.api_keys import EVERY_TENANT, ApiKey, Scope, id_of

if TYPE_CHECKING:
    from redis.asyncio import Redis


class KeyCommandError(Exception):
    """Raised when a command cannot be carried out. The message is for the operator."""


def create(
    name: str,
    *,
    tenants: Sequence[str] | None,
    scopes: Sequence[str],
    days: int | None,
    expires: datetime | None,
    as_json: bool,
) -> int:
    """Create a key and print it. `tenants`: None for every tenant."""
    return _run(_create(name, tenants, scopes, _expires_at(days, expires), as_json=as_json))


def list_keys(*, tenant: str | None, as_json: bool) -> int:
    """Print the keys."""
    return _run(_list(tenant, as_json=as_json))


def revoke(key_id: str) -> int:
    """Revoke a key."""
    return _run(_revoke(key_id))


def _run(command: Coroutine[Any, Any, None]) -> int:
    return exit_status(command, KeyCommandError, UnknownTenant)


def _expires_at(days: int | None, expires: datetime | None) -> int | None:
    if days is not None:
        return int((datetime.now(UTC) + timedelta(days=days)).timestamp())
    return None if expires is None else int(expires.replace(tzinfo=UTC).timestamp())


async def _create(
    name: str, tenants: Sequence[str] | None, scopes: Sequence[str], expires_at: int | None, *, as_json: bool
) -> None:
    if expires_at is not None and expires_at <= time.time():
        raise KeyCommandError(f"--expires: {_time(expires_at)} is over already.")
    async with connect(RedisSettings.read()) as redis:
        await _require_declared(redis, tenants or ())
        presented, key = await ApiKeyAdmin(redis).create(
            tenants=[EVERY_TENANT] if tenants is None else tenants,
            scopes=map(Scope, scopes),
            name=name,
            expires_at=expires_at,
        )
    if as_json:
        print(json.dumps({"key": presented, **_as_object(StoredKey(key, None))}, ensure_ascii=False))
        return
    print(presented)
    kept = "Only its hash is kept: save it now. To revoke it:"
    print(f"{kept} switchboard keys revoke {key.id}", file=sys.stderr)


async def _require_declared(redis: Redis, tenants: Sequence[str]) -> None:
    """Raise UnknownTenant for one that is not declared: it is likely misspelt, and may be somebody else's later."""
    known = await cast("Any", redis.hmget(redis_keys.TENANTS, list(tenants))) if tenants else []
    for tenant, record in zip(tenants, known, strict=True):
        if record is None:
            raise UnknownTenant(tenant=tenant)


async def _list(tenant: str | None, *, as_json: bool) -> None:
    async with connect(RedisSettings.read()) as redis:
        stored = await ApiKeyAdmin(redis).list()
    if tenant is not None:
        stored = [each for each in stored if each.key.allows(tenant)]
    if as_json:
        print(json.dumps([_as_object(each) for each in stored], ensure_ascii=False))
        return
    table = terminal.plain_table("id", "name", "tenants", "scopes", "created", "expires", "last used")
    for each in stored:
        key = each.key
        cells = (
            *(key.id, key.name, ", ".join(sorted(key.tenants)), ", ".join(sorted(key.scopes))),
            *(_time(key.created_at), _expiry(key), _time(each.used_at) or "never"),
        )
        table.add_row(*terminal.cells(cells))
    terminal.console().print(table if stored else "no keys; create one: switchboard keys create --help")


async def _revoke(key_id: str) -> None:
    # An operator who has found a key somewhere has the whole of it at hand.
    key_id = id_of(key_id) or key_id
    async with connect(RedisSettings.read()) as redis:
        if not await ApiKeyAdmin(redis).revoke(key_id):
            configured = "; those of SWITCHBOARD_API_KEYS are revoked there" if ":" in key_id else ""
            raise KeyCommandError(f"There is no key {key_id}. `switchboard keys list` has the ids{configured}.")
    print(f"{key_id} is revoked, from the next request on")


def _as_object(stored: StoredKey) -> dict[str, Any]:
    key = stored.key
    return {
        "id": key.id,
        "name": key.name,
        "tenants": sorted(key.tenants),
        "scopes": sorted(key.scopes),
        "created_at": _time(key.created_at) or None,
        "expires_at": _time(key.expires_at) or None,
        "expired": key.is_expired(time.time()),
        "last_used_at": _time(stored.used_at) or None,
    }


def _expiry(key: ApiKey) -> str:
    if key.expires_at is None:
        return "never"
    return f"{_time(key.expires_at)}{' (expired)' if key.is_expired(time.time()) else ''}"


def _time(seconds: int | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
