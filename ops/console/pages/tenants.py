"""*Tenants*: limits, calls, usage of the month, providers and their failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from ops.console.context import Console, Visit, visit
from ops.console.errors import NotFound
from ops.console.provider_failures import count_failures
from ops.console.tenant_list import list_tenants
from tasks.errors import SwitchboardError, TenantInvalid, UnknownTenant
from tasks.records import CallFilter, TenantUsage
from tasks.rooms import AttemptEnding, State
from tasks.settings.process import now_ms
from tasks.tenants import ProviderTable, Tenant, TenantReader
from tasks.tenants.tenant import KINDS

DAY_MS = 24 * 3600 * 1000

router = APIRouter(prefix="/tenants")
Viewer = Annotated[Visit, Depends(visit())]


@dataclass(frozen=True, slots=True)
class Line:
    """A tenant in the list. `failures`: of its providers in the last day; None without the database."""

    id: str
    tier: str
    max_calls: int | None
    running: int
    waiting: int
    providers: str
    calls: int | None
    minutes: float | None
    failures: int | None


@router.get("")
async def show_all(request: Request, viewer: Viewer) -> Response:
    """Show all tenants."""
    console = viewer.console
    stored = await list_tenants(console.redis)
    await console.live.refresh()
    running, waiting = _open_rooms(console)
    usage: Mapping[str, TenantUsage] = {}
    failures: Counter[str] = Counter()
    problem = ""
    try:
        usage = {each.tenant: each for each in await console.records.usage(since_ms=_month_ms(), until_ms=now_ms())}
        for each in await count_failures(console.database, since_ms=now_ms() - DAY_MS):
            failures[each.tenant] += each.times
    except SwitchboardError as error:
        # Limits and calls are in Redis, and are what is asked for while something is wrong.
        problem = str(error)
    lines = [
        _line(name, tenant, usage, failures, running, waiting, known=not problem) for name, tenant in stored.items()
    ]
    return viewer.page(request, "tenants/page.html", lines=lines, problem=problem, month=_month())


@router.get("/{name}")
async def show(request: Request, viewer: Viewer, name: str) -> Response:
    """Show a tenant."""
    console = viewer.console
    tenant, invalid = await _read(console, name)
    await console.live.refresh()
    running, waiting = _open_rooms(console)
    since_ms = now_ms() - 7 * DAY_MS
    usage = await console.records.usage(since_ms=_month_ms(), until_ms=now_ms(), tenant=name)
    lost = await console.records.list_calls(
        CallFilter(tenant=name, ending=AttemptEnding.LOST, since_ms=since_ms), limit=10
    )
    return viewer.page(
        request,
        "tenants/tenant.html",
        name=name,
        tenant=tenant,
        invalid=invalid,
        providers=[(path, _provider(table)) for path, table in tenant.tables()] if tenant else [],
        running=running[name],
        waiting=waiting[name],
        usage=usage[0] if usage else None,
        failures=await count_failures(console.database, since_ms=since_ms, tenant=name),
        lost=lost.calls,
        month=_month(),
    )


async def _read(console: Console, name: str) -> tuple[Tenant | None, str]:
    try:
        return await TenantReader(console.redis, console.settings.tiers.names).get(name), ""
    except TenantInvalid as error:
        return None, str(error)
    except UnknownTenant as error:
        raise NotFound(str(error)) from error


def _open_rooms(console: Console) -> tuple[Counter[str], Counter[str]]:
    running: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    for room in console.live.snapshot.rooms.values():
        (running if room.state is State.RUNNING else waiting)[room.tenant] += 1
    return running, waiting


def _line(
    name: str,
    record: Mapping[str, Any],
    usage: Mapping[str, TenantUsage],
    failures: Counter[str],
    running: Counter[str],
    waiting: Counter[str],
    *,
    known: bool,
) -> Line:
    used = usage.get(name)
    limit = record.get("max_calls")
    named = {str(_table(record, kind).get("provider", "local")) for kind in KINDS}
    return Line(
        id=name,
        tier=str(record.get("tier", "")),
        max_calls=limit if isinstance(limit, int) else None,
        running=running[name],
        waiting=waiting[name],
        providers=", ".join(sorted(named)),
        calls=(used.calls if used else 0) if known else None,
        minutes=(used.seconds / 60 if used else 0.0) if known else None,
        failures=failures[name] if known else None,
    )


def _table(record: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    table = record.get(kind)
    return table if isinstance(table, dict) else {}


def _provider(table: ProviderTable) -> str:
    return " ".join(filter(None, (table.provider, table.model, table.voice, table.language)))


def _month() -> str:
    return datetime.now(UTC).strftime("%B %Y")


def _month_ms() -> int:
    begin = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int(begin.timestamp() * 1000)
