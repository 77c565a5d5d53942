"""The documents for users and contributors, and their tables."""

from __future__ import annotations

import re

import pytest

from tests.unit.conventions.source_tree import ROOT

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
each_document = pytest.mark.parametrize(
    "document", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in DOCUMENTS]
)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(document: str, first: str) -> dict[str, list[str]]:
    """The rows of tables whose first cell, in backticks, matches `first`: that cell -> the other cells."""
    found = {}
    for line in document.splitlines():
        if line.startswith("|"):
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            if match := re.fullmatch(rf"`({first})`", name):
                found[match[1]] = cells
    return found
