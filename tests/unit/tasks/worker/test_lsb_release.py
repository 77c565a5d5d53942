"""The shadow of `lsb_release`, which livekit's client runs to find the name of its host's operating system."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tasks.worker.tuning import lsb_release


def command(folder: Path, name: str, output: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho {output}\n")
    (folder / name).chmod(0o755)


def test_the_command_prints_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(tmp_path / "bin", "lsb_release", "Distributor ID: Slow")
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]))
    lsb_release.shadow(tmp_path)
    assert subprocess.run(["lsb_release", "-a"], check=True, capture_output=True).stdout == b""
    first = Path(os.environ["PATH"].split(os.pathsep)[0])
    assert first.parent == tmp_path
    assert [path.name for path in first.iterdir()] == ["lsb_release"]


def test_a_host_without_the_command_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(tmp_path / "bin", "true", "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    lsb_release.shadow(tmp_path)
    assert os.environ["PATH"] == str(tmp_path / "bin")
