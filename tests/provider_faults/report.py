"""The table of results, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.provider_faults.scenario import CaseResult

HEAD = (
    "| fault | greeted after | heard after the question | after | outcome | attempt | log |\n"
    "|---|---|---|---|---|---|---|\n"
)


def markdown(rows: Sequence[CaseResult]) -> str:
    """Return the table, with a row for each call."""
    return HEAD + "".join(f"| {' | '.join(_cells(result))} |\n" for result in rows)


def write(rows: Sequence[CaseResult], directory: Path) -> None:
    """Write `faults.json` and `faults.md`."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "faults.json").write_text(json.dumps([result.as_json() for result in rows], indent=2) + "\n", "utf-8")
    (directory / "faults.md").write_text(markdown(rows), "utf-8")


def _cells(result: CaseResult) -> list[str]:
    log = "; ".join(f"{count} x {line}" for line, count in result.log.items())
    return [
        result.case,
        f"{_seconds(result.greeted_s)} ({', '.join(result.before_question) or 'nothing'})",
        ", ".join(result.after_question) or "nothing",
        _seconds(result.answered_s),
        f"{result.state}: {result.reason}".replace("|", "/")[:160],
        str(result.attempt),
        log.replace("|", "/")[:300] or "-",
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
