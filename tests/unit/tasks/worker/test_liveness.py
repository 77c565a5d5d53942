"""The liveness of a worker's main process, as its file says it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tasks.worker import healthcheck
from tasks.worker.presence import liveness
from tasks.worker.presence.liveness import Liveness, seconds_since_mark
from tasks.worker.start.runtime_dir import PREFIX

NODE = "celery@pod-1"
HEAVY = ("redis", "celery", "pydantic", "livekit")


def folder(parent: Path, name: str = "a") -> Path:
    made = parent / f"{PREFIX}{name}"
    made.mkdir()
    return made


def check(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["healthcheck", "--live", *arguments])
        return healthcheck.main()


def test_the_mark_of_a_moment_ago_is_found_by_the_name_of_the_node(tmp_path: Path) -> None:
    Liveness(folder(tmp_path), NODE).mark()
    Liveness(folder(tmp_path, "b"), f"{NODE}0").mark()
    seconds = seconds_since_mark(NODE, tmp_path)
    assert seconds is not None
    assert 0 <= seconds < 5


def test_a_node_that_was_never_here_has_no_mark(tmp_path: Path) -> None:
    Liveness(folder(tmp_path), NODE)
    assert seconds_since_mark(NODE, tmp_path) is None
    assert seconds_since_mark("celery@pod-2", tmp_path) is None


def test_a_folder_that_a_killed_worker_of_the_same_name_has_left_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, started = Liveness(folder(tmp_path, "left"), NODE), Liveness(folder(tmp_path, "started"), NODE)
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: 100.0)
        left.mark()
        patch.setattr(time, "monotonic", lambda: 500.0)
        started.mark()
        patch.setattr(time, "monotonic", lambda: 501.0)
        assert seconds_since_mark(NODE, tmp_path) == pytest.approx(1.0)


def test_the_health_check_says_when_the_main_loop_was_last_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    assert check(NODE) == 1
    assert f"{NODE} was last seen never here" in capsys.readouterr().err
    Liveness(folder(tmp_path), NODE).mark()
    assert check(NODE) == 0
    later = time.monotonic() + liveness.LIVE_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert check(NODE) == 1
    assert "was last seen 61 s ago" in capsys.readouterr().err
    assert check("--within", "90", NODE) == 0


def test_the_folders_that_are_looked_into_are_those_that_workers_make() -> None:
    assert f"{PREFIX}*" == liveness.FOLDERS


def test_a_check_of_liveness_imports_no_client_and_no_framework() -> None:
    program = (
        "import sys; sys.argv[1:] = ['--live', 'nobody@nowhere']; from tasks.worker import healthcheck;"
        f" code = healthcheck.main(); assert not {set(HEAVY)!r} & sys.modules.keys(); sys.exit(code)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stderr
    assert "was last seen" in result.stderr
