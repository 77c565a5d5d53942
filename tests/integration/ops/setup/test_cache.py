"""The folder of what was brought here, and its lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ops.setup import cache
from tests.integration.ops.setup.test_servers import Heard

HOLDER = """\
import sys
from ops.setup import StderrProgress, cache
with cache.only_one("thing", StderrProgress()):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_the_folder_is_that_of_the_xdg_specification(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.folder() == cache_home / "livekit-switchboard"
    monkeypatch.setenv("HOME", str(cache_home / "home"))
    for ignored in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert cache.folder() == cache_home / "home" / ".cache" / "livekit-switchboard"


def test_two_set_ups_at_the_same_time_do_the_work_one_after_the_other() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        order: list[str] = []

        class Impatient(Heard):
            def tick(self, text: str) -> None:
                order.append(text)
                assert other.stdin is not None
                other.stdin.close()

        with cache.only_one("thing", Impatient()):
            order.append("mine")
    assert order[0] == "waiting for another set-up of thing"
    assert order[-1] == "mine"


def test_a_set_up_that_was_killed_blocks_nobody() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        other.kill()
        other.wait()
    heard = Heard()
    with cache.only_one("thing", heard):
        assert heard.lines == []
