"""The files of the Helm chart, of its sets of values, and of what it rendered to."""

from __future__ import annotations

import hashlib
from pathlib import Path

FOLDER = Path(__file__).parent
CHART = FOLDER / "switchboard"
VALUES = FOLDER / "values"
RENDERED = FOLDER / "rendered"
REFUSED = "refused"
"""The name of the values that the chart has to refuse, by case, and of its messages."""
RULES = FOLDER.parent / "prometheus" / "rules.yml"
"""The alerts, which a chart can read only from its own folder."""
RULES_IN_CHART = CHART / "files" / "rules.yml"
RELEASE = "switchboard"
NAMESPACE = "calls"
KUBERNETES = "1.34.0"


def sets_of_values() -> list[Path]:
    """Return the files of values that the chart is rendered with."""
    return sorted(path for path in VALUES.glob("*.yaml") if path.stem != REFUSED)


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
    """Return the first line of the rendered file."""
    return f"# make chart, from values/{values.name}. Chart and values: sha256 {digest(values)}\n"
