"""Where this project's own files are."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("webhooks", "tasks", "pipeline", "ops")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def is_shipped(path: Path) -> bool:
    """Whether a file of the packages is in the wheel: not the modules of those that setuptools is told to leave out."""
    excluded = project()["tool"]["setuptools"]["packages"]["find"]["exclude"]
    return path.parent not in [ROOT / package.replace(".", "/") for package in excluded]


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """The full name of each module that a file imports, at its top or in a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
