"""The report: a table for people, and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.row import Row


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the table, and all failures below it."""
    table = Table(title="Recovery: seconds until the caller hears an agent again")
    table.add_column("scenario")
    for name in ("runs", "calls", "lost", "doubled", "p50", "limit", "max", "limit"):
        table.add_column(name, justify="right")
    for row in rows:
        if row.skipped:
            table.add_row(row.scenario.name, "0", style="dim")
            continue
        counts = (str(number) for number in (row.runs, row.outcome.calls, row.outcome.lost, row.outcome.doubled))
        table.add_row(
            row.scenario.name,
            *counts,
            _seconds(row.p50_s),
            f"{row.scenario.p50_s:g}",
            _seconds(row.max_s),
            f"{row.scenario.max_s:g}",
            style="bold red" if row.misses else None,
        )
    console.print(table)
    for row in rows:
        for line in (*row.misses, *row.outcome.remarks, *filter(None, [row.skipped])):
            console.print(f"{row.scenario.name}: {line}", markup=False, highlight=False)


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the results as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.as_json() for row in rows if not row.skipped], indent=2) + "\n", encoding="utf-8")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
