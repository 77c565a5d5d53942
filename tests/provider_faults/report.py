"""The table, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.provider_faults.scenario import Seen

HEAD = (
    "| what fails | greeted after | then heard | after | the call | attempt | the log |\n"
    "|---|---|---|---|---|---|---|\n"
)


def markdown(rows: Sequence[Seen]) -> str:
    """A row for each call."""
    return HEAD + "".join(f"| {' | '.join(_cells(seen))} |\n" for seen in rows)


def write(rows: Sequence[Seen], directory: Path) -> None:
    """Write `faults.json` and `faults.md`."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "faults.json").write_text(json.dumps([seen.as_json() for seen in rows], indent=2) + "\n", "utf-8")
    (directory / "faults.md").write_text(markdown(rows), "utf-8")


def _cells(seen: Seen) -> list[str]:
    log = "; ".join(f"{count} x {line}" for line, count in seen.log.items())
    return [
        seen.case,
        f"{_seconds(seen.greeted_s)} ({', '.join(seen.first) or 'nothing'})",
        ", ".join(seen.then) or "nothing",
        _seconds(seen.answered_s),
        f"{seen.state}: {seen.reason}".replace("|", "/")[:160],
        str(seen.attempt),
        log.replace("|", "/")[:300] or "-",
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
