"""`switchboard tenants`: what an operator can do to the tenants in Redis. Each function returns the exit status."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.commands.tenants import declaration, key_values
from ops.commands.tenants.key_values import KeyLinesInvalidError, KeyValues
from ops.commands.tenants.plan import Plan, Planner, SealedByOthersError, flat, shown
from ops.commands.tenants.rotation import Rotation
from tasks.encryption import Seal
from tasks.errors import SwitchboardError, UnknownTenant
from tasks.redis_client import connect
from tasks.settings import QueueSettings, Settings
from tasks.tenants import key_source
from tasks.tenants.admin import Entry, Ledger
from tasks.tenants.key_cipher import KeyRing
from tasks.tenants.tenant import KINDS

PIPE_WIDTH = 240


@dataclass(frozen=True, slots=True)
class _Removal:
    removed: frozenset[str]
    put: Mapping[str, Entry]


def apply(file: Path, *, dry_run: bool, prune: bool, keys: Iterable[str] | None, reseal: bool) -> int:
    """Make Redis say what the file does, and print what has changed."""
    return _run(_apply(file, dry_run=dry_run, prune=prune, keys=keys, reseal=reseal))


def list_tenants(*, as_json: bool) -> int:
    """Print all of them."""
    return _run(_list(as_json=as_json))


def show(tenant: str, *, as_json: bool) -> int:
    """Print one."""
    return _run(_show(tenant, as_json=as_json))


def remove(tenant: str) -> int:
    """Remove one."""
    return _run(_remove(tenant))


def rotate_keys() -> int:
    """Seal all keys with the first encryption key."""
    return _run(_rotate())


def _run(doing: Coroutine[Any, Any, int]) -> int:
    try:
        return asyncio.run(doing)
    except (declaration.FileInvalidError, KeyLinesInvalidError, SealedByOthersError) as error:
        print(f"{error}\nNothing was changed.", file=sys.stderr)
    except SwitchboardError as error:
        print(error, file=sys.stderr)
    except (RedisError, OSError) as error:
        print(f"Redis cannot be reached ({type(error).__name__}). Start it, or set REDIS_URL.", file=sys.stderr)
    return 1


async def _apply(file: Path, *, dry_run: bool, prune: bool, keys: Iterable[str] | None, reseal: bool) -> int:
    settings = Settings.read()
    source = key_source.load(settings)
    values = KeyValues(None if keys is None else key_values.read_lines(keys), None if source is None else source.scheme)
    declared = declaration.read(file, settings.tiers, values)
    planner = Planner(declared, KeyRing(Seal(settings)), prune=prune, reseal=reseal)
    async with connect(settings) as redis:
        plan: Plan = await Ledger(redis).change(planner.plan, dry_run=dry_run)
    for line in plan.lines():
        print(line)
    if dry_run and (plan.put or plan.removed):
        print("Nothing was changed: this was a dry run.")
    return 0


async def _list(*, as_json: bool) -> int:
    async with connect(QueueSettings.read()) as redis:
        entries = await Ledger(redis).read()
    if as_json:
        print(json.dumps([_as_object(tenant, entry) for tenant, entry in entries.items()]))
        return 0
    table = Table(box=None, header_style="bold")
    for column in ("tenant", "tier", "at most", "numbers", "agent", *KINDS, "keys"):
        table.add_column(column, overflow="fold")
    for tenant, entry in entries.items():
        record = entry.record
        providers = (record.get(kind, {}).get("provider", "local") for kind in KINDS)
        numbers = ", ".join(entry.numbers)
        limit = str(record.get("max_calls", ""))
        cells = (
            tenant,
            str(record.get("tier", "")),
            limit,
            numbers,
            record.get("agent", ""),
            *providers,
            str(len(entry.sealed)),
        )
        table.add_row(*(Text(cell) for cell in cells))
    # Into a pipe nothing is folded, so that each tenant stays one line.
    console = Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)
    console.print(table if entries else "no tenants; declare some and run: switchboard tenants apply FILE")
    return 0


async def _show(tenant: str, *, as_json: bool) -> int:
    async with connect(QueueSettings.read()) as redis:
        entry = (await Ledger(redis).read()).get(tenant)
    if entry is None:
        raise UnknownTenant(tenant=tenant)
    if as_json:
        print(json.dumps(_as_object(tenant, entry), indent=2, ensure_ascii=False))
    else:
        for name, value in {"id": tenant, **flat(entry.record)}.items():
            print(f"{name}: {shown(value)}")
    return 0


async def _remove(tenant: str) -> int:
    def plan(before: Mapping[str, Entry]) -> _Removal:
        if tenant not in before:
            raise UnknownTenant(tenant=tenant)
        return _Removal(frozenset({tenant}), {})

    async with connect(QueueSettings.read()) as redis:
        await Ledger(redis).change(plan)
    print(f"{tenant} is removed; its running calls go on")
    return 0


async def _rotate() -> int:
    settings = Settings.read()
    ring = KeyRing(Seal(settings))
    async with connect(settings) as redis:
        rotation: Rotation = await Ledger(redis).change(lambda before: Rotation.of(ring, before))
    print(f"{rotation.renewed} keys of {len(rotation.put)} tenants are encrypted anew; {rotation.already} were already")
    for problem in rotation.broken:
        print(problem, file=sys.stderr)
    return 1 if rotation.broken else 0


def _as_object(tenant: str, entry: Entry) -> dict[str, Any]:
    return {"id": tenant, **entry.record}
