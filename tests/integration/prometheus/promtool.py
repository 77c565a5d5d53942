"""Debian's promtool, Prometheus and Alertmanager, which .ci/run installs."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.conventions.source_tree import ROOT

FOLDER = ROOT / "ops" / "prometheus"
RULES = FOLDER / "rules.yml"


def program(name: str) -> str:
    """The path of one of them. Without it the test is skipped, or fails in CI."""
    found = shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{name} is not installed")
    return found


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of them. Its errors are among its output, in the order in which both were written."""
    return subprocess.run(
        [program(name), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={"HOME": "/", "PATH": os.defpath},
    )


@cache
def rules() -> list[dict[str, Any]]:
    parsed = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in parsed["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """The alerts by their names."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}
