"""The report: a table for people, and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.bench.machine import Machine
from tests.bench.providers import Providers
from tests.bench.row import Row

INTRODUCTION = """\
# Benchmarks

Switchboard and the built-in dispatch of livekit-agents: the same agent with the same {providers},
on one machine, called alternately. Written by `make bench`; [README.md](README.md) describes each figure.
"""


PEERS = """\
## Peers

The same talk with other ways to run an agent: see `peers` in [README.md](README.md)."""


def markdown(rows: Sequence[Row], machine: Machine, providers: Providers, *, chart: str | None = None) -> str:
    """Return the whole document."""
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    introduction = INTRODUCTION.format(providers=providers.names)
    head = [introduction, f"- {machine.when}", f"- {machine.hardware}", f"- {machine.system}", f"- {versions}", ""]
    if chart:
        head += [f"![Ours and built-in, side by side]({chart})", ""]
    tables = _table([row for row in rows if not row.peers])
    if beside := [row for row in rows if row.peers]:
        tables += ["", PEERS, "", *_peers_table(beside)]
    return "\n".join([*head, *tables, ""])


def as_json(rows: Sequence[Row]) -> str:
    """Return all rows as JSON, with their samples."""
    return json.dumps([row.as_json() for row in rows], indent=1) + "\n"


def number(value: float | None, unit: str, missing: str = "") -> str:
    """Return a number as the table shows it."""
    if value is None:
        return missing or "-"
    digits = 0 if unit in {"ms", "%"} or (unit == "calls" and value == round(value)) else 2 if abs(value) < 100 else 0
    return f"{value:.{digits}f} {unit}"


def _peers_table(rows: Sequence[Row]) -> list[str]:
    titles = list(rows[0].peers)
    lines = [f"| figure | ours | built-in | {' | '.join(titles)} |", "|---|--:|--:|" + "--:|" * len(titles)]
    for row in rows:
        values: list[float | str | None] = [row.ours, row.builtin, *(row.peers[title] for title in titles)]
        cells = [value if isinstance(value, str) else number(value, row.unit, row.missing) for value in values]
        lines.append(f"| {row.figure.removeprefix('peers: ')} | {' | '.join(cells)} |")
    return lines


def _table(rows: Sequence[Row]) -> list[str]:
    lines = ["| figure | ours | built-in | ratio | goal | |", "|---|--:|--:|--:|---|---|"]
    for row in rows:
        verdict = {None: "", True: "met", False: "**missed**"}[row.met]
        cells = [
            row.figure,
            number(row.ours, row.unit, row.missing),
            number(row.builtin, row.unit, row.missing),
            "" if row.ratio is None else f"{row.ratio:.2f}",
            row.goal.text if row.goal else "",
            verdict,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
