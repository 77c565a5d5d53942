"""`switchboard usage`: what the calls of a month have used, by tenant, provider and model."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from ops.commands import terminal
from ops.commands.calls.lookup import CallCommandError
from ops.commands.calls.lookup import run as run_command
from tasks.records import Database, RecordStore, TenantUsage
from tasks.settings import DatabaseSettings

COLUMNS = ("month", "tenant", "kind", "provider", "model", "unit", "amount")


def run(*, tenant: str | None, month: str | None, as_csv: bool, as_json: bool) -> int:
    """Print the usage. Return the exit status."""
    return run_command(_usage(tenant, month or f"{datetime.now(UTC):%Y-%m}", as_csv=as_csv, as_json=as_json))


async def _usage(tenant: str | None, month: str, *, as_csv: bool, as_json: bool) -> None:
    since_ms, until_ms = _bounds_ms(month)
    async with Database.open(DatabaseSettings.read()) as database:
        usage = await RecordStore(database).usage(since_ms=since_ms, until_ms=until_ms, tenant=tenant)
    if as_json:
        print(json.dumps({"month": month, "tenants": [asdict(each) for each in usage]}, ensure_ascii=False))
        return
    rows = list(_rows(month, usage))
    if as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
        return
    table = terminal.plain_table(*COLUMNS[1:])
    for row in rows:
        table.add_row(*terminal.cells(row[1:]))
    terminal.console().print(table if rows else f"no calls in {month}")


def _rows(month: str, usage: tuple[TenantUsage, ...]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each amount; those of the calls themselves have neither provider nor model."""
    for each in usage:
        for unit, amount in (("calls", each.calls), ("answered", each.answered), ("seconds", each.seconds)):
            yield month, each.tenant, "call", "", "", unit, _number(amount)
        for line in each.lines:
            yield month, each.tenant, line.kind, line.provider, line.model, line.unit, _number(line.amount)


def _number(amount: float) -> str:
    """Return a number without an exponent, which programs that read tables take for text."""
    return str(int(amount)) if amount == int(amount) else f"{amount:.3f}"


def _bounds_ms(month: str) -> tuple[int, int]:
    """Return the begin of a month in UTC, and of the one after it. Raises CallCommandError."""
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", month, re.ASCII):
        raise CallCommandError(f"--month: {month!r} is no month. Write it as 2026-11.")
    year, number = int(month[:4]), int(month[5:])
    begins = (datetime(year, number, 1, tzinfo=UTC), datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC))
    return int(begins[0].timestamp() * 1000), int(begins[1].timestamp() * 1000)
