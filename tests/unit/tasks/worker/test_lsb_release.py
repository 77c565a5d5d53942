"""What livekit's client finds when it looks for the name of its host's operating system."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tasks.worker.sidecars import runtime_dir
from tasks.worker.tuning import lsb_release


def command(folder: Path, name: str, says: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho {says}\n")
    (folder / name).chmod(0o755)


def test_the_question_is_answered_with_nothing_until_the_worker_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(tmp_path / "bin", "lsb_release", "Distributor ID: Slow")
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]))
    lsb_release.answer_at_once()
    folder = Path(os.environ["PATH"].split(os.pathsep)[0])
    try:
        assert subprocess.run(["lsb_release", "-a"], check=True, capture_output=True).stdout == b""
        assert [path.name for path in folder.iterdir()] == ["lsb_release"]
    finally:
        runtime_dir.remove()
    assert not folder.exists()


def test_a_host_without_the_command_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(tmp_path / "bin", "true", "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    lsb_release.answer_at_once()
    assert os.environ["PATH"] == str(tmp_path / "bin")
