"""The commands of `switchboard tenants`. Each function returns the exit status."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from ops.commands import terminal
from ops.commands.tenants import declaration, key_values
from ops.commands.tenants.key_values import KeyLinesInvalidError, KeyValues
from ops.commands.tenants.plan import Plan, Planner, WrongEncryptionKeyError, WrongSignatureError, flatten, one_line
from ops.commands.tenants.rotation import Rotation
from tasks.encryption import Encryption
from tasks.errors import SwitchboardError, UnknownTenant
from tasks.redis_client import connect
from tasks.settings import RedisSettings, Settings
from tasks.tenants import key_source
from tasks.tenants.admin import StoredTenant, TenantAdmin
from tasks.tenants.key_cipher import ProviderKeyCipher
from tasks.tenants.record_signer import RecordSigner
from tasks.tenants.tenant import KINDS


@dataclass(frozen=True, slots=True)
class _Removal:
    removed: frozenset[str]
    put: Mapping[str, StoredTenant]


def apply(file: Path, *, dry_run: bool, prune: bool, keys: Iterable[str] | None, reencrypt: bool) -> int:
    """Apply the file to Redis, and print the changes."""
    return _run(_apply(file, dry_run=dry_run, prune=prune, keys=keys, reencrypt=reencrypt))


def list_tenants(*, as_json: bool) -> int:
    """Print all tenants."""
    return _run(_list(as_json=as_json))


def show(tenant: str, *, as_json: bool) -> int:
    """Print one tenant."""
    return _run(_show(tenant, as_json=as_json))


def remove(tenant: str) -> int:
    """Remove a tenant."""
    return _run(_remove(tenant))


def rotate_keys() -> int:
    """Encrypt all keys with the first encryption key."""
    return _run(_rotate())


def _run(command: Coroutine[Any, Any, int]) -> int:
    try:
        return asyncio.run(command)
    except (declaration.FileInvalidError, KeyLinesInvalidError, WrongEncryptionKeyError, WrongSignatureError) as error:
        print(f"{error}\nNothing was changed.", file=sys.stderr)
    except SwitchboardError as error:
        print(error, file=sys.stderr)
    except (RedisError, OSError) as error:
        terminal.print_redis_unreachable(error)
    return 1


async def _apply(file: Path, *, dry_run: bool, prune: bool, keys: Iterable[str] | None, reencrypt: bool) -> int:
    settings = Settings.read()
    source = key_source.load(settings)
    values = KeyValues(None if keys is None else key_values.read_lines(keys), None if source is None else source.scheme)
    declared = declaration.read(file, settings.tiers.queues, values)
    planner = Planner(declared, ProviderKeyCipher(Encryption(settings)), prune=prune, reencrypt=reencrypt)
    async with connect(settings.redis) as redis:
        admin = TenantAdmin(redis, RecordSigner(Encryption(settings)))
        plan: Plan = await admin.change(planner.plan, dry_run=dry_run)
    for line in plan.lines():
        print(line)
    if dry_run and (plan.put or plan.removed):
        print("Nothing was changed: this was a dry run.")
    return 0


async def _list(*, as_json: bool) -> int:
    async with connect(RedisSettings.read()) as redis:
        tenants = await TenantAdmin(redis).read()
    if as_json:
        print(json.dumps([_as_object(tenant, stored) for tenant, stored in tenants.items()]))
        return 0
    table = terminal.plain_table("tenant", "tier", "limit", "numbers", "agent", *KINDS, "keys")
    for tenant, stored in tenants.items():
        record = stored.record
        providers = (record.get(kind, {}).get("provider", "local") for kind in KINDS)
        numbers = ", ".join(stored.numbers)
        limit = str(record.get("max_calls", ""))
        cells = (
            tenant,
            str(record.get("tier", "")),
            limit,
            numbers,
            record.get("agent", ""),
            *providers,
            str(len(stored.encrypted_keys)),
        )
        table.add_row(*terminal.cells(cells))
    terminal.console().print(table if tenants else "no tenants; declare some and run: switchboard tenants apply FILE")
    return 0


async def _show(tenant: str, *, as_json: bool) -> int:
    async with connect(RedisSettings.read()) as redis:
        stored = (await TenantAdmin(redis).read()).get(tenant)
    if stored is None:
        raise UnknownTenant(tenant=tenant)
    if as_json:
        print(json.dumps(_as_object(tenant, stored), indent=2, ensure_ascii=False))
    else:
        for name, value in {"id": tenant, **flatten(stored.record)}.items():
            print(f"{name}: {one_line(value)}")
    return 0


async def _remove(tenant: str) -> int:
    def plan(before: Mapping[str, StoredTenant]) -> _Removal:
        if tenant not in before:
            raise UnknownTenant(tenant=tenant)
        return _Removal(frozenset({tenant}), {})

    async with connect(RedisSettings.read()) as redis:
        await TenantAdmin(redis).change(plan)
    print(f"{tenant} is removed; its running calls go on")
    return 0


async def _rotate() -> int:
    settings = Settings.read()
    cipher = ProviderKeyCipher(Encryption(settings))
    async with connect(settings.redis) as redis:
        admin = TenantAdmin(redis, RecordSigner(Encryption(settings)))
        rotation: Rotation = await admin.change(lambda before: Rotation.of(cipher, before))
    changed = f"{rotation.reencrypted} keys of {len(rotation.put)} tenants are encrypted again"
    print(f"{changed}; {rotation.unchanged} were already")
    for problem in rotation.failed:
        print(problem, file=sys.stderr)
    return 1 if rotation.failed else 0


def _as_object(tenant: str, stored: StoredTenant) -> dict[str, Any]:
    return {"id": tenant, **stored.record}
