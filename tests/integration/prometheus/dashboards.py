"""The dashboards, as committed, and the queries of their panels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.unit.conventions.source_tree import ROOT

FOLDER = ROOT / "ops" / "grafana"
FILES = sorted((FOLDER / "dashboards").glob("*.json"))


@dataclass(frozen=True)
class Query:
    """One query of a panel, with Grafana's variables replaced by what they are at first."""

    panel: str
    expression: str


def dashboards() -> dict[str, dict[str, Any]]:
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in FILES}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def choices(dashboard: dict[str, Any]) -> dict[str, str]:
    """The query of each variable, by its name."""
    variables = dashboard["templating"]["list"]
    return {variable["name"]: variable["query"] for variable in variables if variable["type"] == "query"}


def queries(rate_interval: str) -> Iterator[Query]:
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", rate_interval)
                for variable in choices(dashboard):
                    expression = expression.replace(f"${variable}", ".*")
                yield Query(f"{name}: {panel['title']}, {target['legendFormat']}", expression)
