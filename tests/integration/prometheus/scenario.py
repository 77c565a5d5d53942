"""A scenario: what an installation exposes over time, and which alerts fire at which moment, and no others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.integration.prometheus.promtool import RULES, alerts, run

SCRAPE_SECONDS = 15
SCRAPES = 240
"""An hour."""

Series = Mapping[str, str]
"""Series by their name with its labels: promtool's values, or "" for a series that is absent."""


def series(metric: str, labels: Mapping[str, str]) -> str:
    """The name of a series with its labels, as Prometheus writes it."""
    pairs = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{metric}{{{pairs}}}"


def steady(value: float) -> str:
    return f"{value}+0x{SCRAPES}"


def steps(*values: float | str, every: int = 1) -> str:
    """Each value for `every` scrapes, and the last one for ever; `_` is a scrape without it."""
    first = " ".join(" ".join([str(value)] * every) for value in values[:-1])
    return f"{first} {values[-1]}+0x{SCRAPES}" if values[-1] != "_" else first


@dataclass(frozen=True)
class Scenario:
    """`firing`: time -> alerts, as `SwitchboardRedisUnreachable` or `SwitchboardCallsLost tier=premium`.

    `near`: the alert that must not fire although it is near, in a scenario in which none does.
    """

    name: str
    series: Series
    firing: Mapping[str, tuple[str, ...]]
    near: str = ""
    fresh: bool = field(default=False)
    """True without the series of a healthy installation."""

    def alerts(self) -> set[str]:
        """The names of the alerts that fire in it."""
        return {alert.split()[0] for fired in self.firing.values() for alert in fired}

    def promtool(self, healthy: Series) -> dict[str, Any]:
        exposed = {**({} if self.fresh else healthy), **self.series}
        return {
            "rule_files": [str(RULES)],
            "evaluation_interval": f"{SCRAPE_SECONDS}s",
            "tests": [
                {
                    "name": self.name,
                    "interval": f"{SCRAPE_SECONDS}s",
                    "input_series": [
                        {"series": name, "values": values} for name, values in exposed.items() if values.strip()
                    ],
                    "promql_expr_test": [
                        {
                            "expr": 'ALERTS{alertstate="firing"}',
                            "eval_time": moment,
                            "exp_samples": [{"labels": _labels(alert), "value": 1} for alert in fired],
                        }
                        for moment, fired in self.firing.items()
                    ],
                }
            ],
        }


def verdicts(scenarios: Sequence[Scenario], folder: Path, healthy: Series) -> dict[str, str]:
    """What promtool finds wrong in each scenario, by its name, or "". One run of it, as its starts take long."""
    files = {folder / f"{number}.yml": scenario for number, scenario in enumerate(scenarios)}
    for file, scenario in files.items():
        file.write_text(yaml.safe_dump(scenario.promtool(healthy)), encoding="utf-8")
    done = run("promtool", "test", "rules", *files)
    printed = re.split(r"^Unit Testing: +(\S+)$", done.stdout, flags=re.MULTILINE)[1:]
    said = {Path(file): text for file, text in zip(printed[::2], printed[1::2], strict=True)}
    assert set(said) == set(files), done.stdout
    return {scenario.name: "" if said[file].strip() == "SUCCESS" else said[file] for file, scenario in files.items()}


def _labels(alert: str) -> str:
    name, *labels = alert.split(maxsplit=1)
    severity = alerts()[name]["labels"]["severity"]
    pairs = {"alertname": name, "alertstate": "firing", "severity": severity}
    pairs |= dict(pair.split("=", 1) for label in labels for pair in label.split(", "))
    return series("ALERTS", pairs)
