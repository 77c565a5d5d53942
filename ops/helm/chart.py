"""The files of the Helm chart, of its sets of values, and of what it rendered to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

FOLDER = Path(__file__).parent
CHART = FOLDER / "switchboard"
VALUES = FOLDER / "values"
RENDERED = FOLDER / "rendered"
REFUSED = VALUES / "refused.json"
"""Values that the chart has to refuse, by case, each laid over those of minimal.yaml."""
RULES = FOLDER.parent / "prometheus" / "rules.yml"
"""The alerts, which a chart can read only from its own folder."""
RULES_IN_CHART = CHART / "files" / "rules.yml"
RELEASE = "switchboard"
NAMESPACE = "calls"
KUBERNETES = "1.34.0"


def sets_of_values() -> list[Path]:
    """Return the files of values that the chart is rendered with."""
    return sorted(VALUES.glob("*.yaml"))


def digest(values: Path) -> str:
    """Return a digest of the chart's files and one set of values."""
    found = hashlib.sha256()
    for path in [*sorted(path for path in CHART.rglob("*") if path.is_file()), values]:
        content = path.read_bytes()
        found.update(f"{path.relative_to(FOLDER)} {len(content)}\n".encode() + content)
    return found.hexdigest()


def rendered(values: Path) -> Path:
    """Return the file that a set of values was rendered to."""
    return RENDERED / values.name


def header(values: Path) -> str:
    """Return the first line of a rendered file."""
    return f"# make chart, from values/{values.name}. Chart and values: sha256 {digest(values)}\n"


def refusals() -> tuple[str, dict[str, list[str]]]:
    """Return the digest of the chart and the cases that were refused, and the lines of the message for each case."""
    found = json.loads(rendered(REFUSED).read_text(encoding="utf-8"))
    return found["digest"], found["messages"]
