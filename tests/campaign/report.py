"""The report: how often each thing occurred, and the violations with what replays them; and the same as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.campaign.runner import Result


def show(results: Sequence[Result], console: Console) -> None:
    """Print the table and the violations."""
    table = Table(title="What occurred")
    for name, justify in (("what", "left"), ("times", "right"), ("in histories with violations", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    occurred, in_failed = total(results), total([result for result in results if result.violations])
    for name in sorted(occurred):
        table.add_row(name, str(occurred[name]), str(in_failed[name] or ""))
    console.print(table)
    rooms = sum(len(result.history.rooms) for result in results)
    failed = [result for result in results if result.violations]
    console.print(f"{len(results)} histories, {rooms} rooms, {sum(len(each.violations) for each in failed)} violations")
    for result in failed:
        for violation in result.violations:
            console.print(f"{replay(result)}: {violation}", markup=False, highlight=False, soft_wrap=True)


def total(results: Sequence[Result]) -> Counter[str]:
    """Return how often each thing occurred in these histories."""
    whole: Counter[str] = Counter()
    for result in results:
        whole.update(result.occurred)
    return whole


def replay(result: Result) -> str:
    """Return the arguments that replay a history."""
    return f"--seed {result.history.seed} --only {result.history.number}"


def write(results: Sequence[Result], path: Path) -> None:
    """Write the results as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "histories": len(results),
        "rooms": sum(len(result.history.rooms) for result in results),
        "occurred": total(results),
        "violations": [
            {"replay": replay(result), "kind": each.kind, "subject": each.subject, "text": each.text}
            for result in results
            for each in result.violations
        ],
    }
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
