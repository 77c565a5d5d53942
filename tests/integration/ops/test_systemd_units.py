"""The units of ops/systemd, read by systemd itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.conventions.source_tree import ROOT

UNITS = {
    "switchboard-worker@.service": "premium",
    "switchboard-receiver@.service": "8000",
    "switchboard-records.service": "",
    "switchboard-background.service": "",
    "switchboard-console.service": "",
}


def problems(folder: Path, *more: str) -> str:
    """What systemd says of the units, with the programs of this environment."""
    if not shutil.which("systemd-analyze"):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("systemd-analyze is not installed")
    instances = []
    for name, instance in UNITS.items():
        text = (ROOT / "ops" / "systemd" / name).read_text(encoding="utf-8")
        programs = str(Path(sys.executable).parent)
        text = text.replace("/opt/switchboard/.venv/bin", programs)
        (folder / name).write_text("\n".join([text, "[Service]", *more]), encoding="utf-8")
        instances.append(str(folder / name.replace("@", f"@{instance}")))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *instances], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_systemd_has_nothing_to_say_against_the_units(tmp_path: Path) -> None:
    assert problems(tmp_path) == ""


def test_systemd_would_notice_a_mistake(tmp_path: Path) -> None:
    assert "TimeoutStopSecs" in problems(tmp_path, "TimeoutStopSecs=1")


def test_every_unit_is_checked() -> None:
    assert {path.name for path in (ROOT / "ops" / "systemd").glob("*.service")} == set(UNITS)
