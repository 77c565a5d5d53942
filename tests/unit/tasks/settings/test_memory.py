from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.settings import memory

MB = 1 << 20
HOST = SimpleNamespace(available=50_000 * MB)
UNLIMITED = 9_223_372_036_854_771_712


@pytest.fixture(autouse=True)
def a_large_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: HOST)


def level(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"memory.{name}").write_text(f"{content}\n")


def free(tmp_path: Path, own: str) -> float:
    (tmp_path / "own").write_text(own)
    return memory.free_mb(tmp_path / "fs", tmp_path / "own")


def test_in_cgroup_2_the_limit_is_the_memory_and_files_that_nobody_uses_are_free(tmp_path: Path) -> None:
    stat = f"anon 1\ninactive_file {300 * MB}\nactive_file {50 * MB}"
    level(tmp_path / "fs", max=2000 * MB, current=1500 * MB, stat=stat)
    assert free(tmp_path, "0::/\n") == 800


def test_in_cgroup_1_the_files_of_the_levels_below_count_too(tmp_path: Path) -> None:
    stat = f"inactive_file {MB}\ntotal_inactive_file {200 * MB}"
    level(tmp_path / "fs/memory/box", limit_in_bytes=1000 * MB, usage_in_bytes=600 * MB, stat=stat)
    level(tmp_path / "fs/memory", limit_in_bytes=UNLIMITED, usage_in_bytes=9000 * MB, stat="cache 0")
    assert free(tmp_path, "4:memory:/box\n0::/\n") == 600


def test_the_tightest_of_all_levels_holds_for_what_is_free(tmp_path: Path) -> None:
    level(tmp_path / "fs/pod", max=4000 * MB, current=3900 * MB, stat="inactive_file 0")
    level(tmp_path / "fs/pod/box", max=1000 * MB, current=200 * MB, stat="inactive_file 0")
    assert free(tmp_path, "0::/pod/box\n") == 100


def test_the_memory_at_which_the_kernel_slows_processes_down_is_a_limit(tmp_path: Path) -> None:
    level(tmp_path / "fs", max="max", high=500 * MB, current=100 * MB, stat="inactive_file 0")
    assert free(tmp_path, "0::/\n") == 400


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"max": "max", "current": 5 * MB, "stat": "inactive_file 0"},
        {"max": 90_000 * MB, "current": 5 * MB, "stat": "inactive_file 0"},
        {"max": 2000 * MB},
        {"max": "nonsense", "current": "?", "stat": ""},
    ],
)
def test_without_a_limit_that_can_be_read_the_memory_is_the_hosts(tmp_path: Path, files: dict[str, object]) -> None:
    level(tmp_path / "fs", **files)
    assert free(tmp_path, "0::/\n") == 50_000


def test_a_host_with_less_free_memory_than_the_container_may_take_is_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=70 * MB))
    level(tmp_path / "fs", max=2000 * MB, current=100 * MB)
    assert free(tmp_path, "0::/\n") == 70


def test_more_is_used_than_the_limit_for_a_moment(tmp_path: Path) -> None:
    level(tmp_path / "fs", max=100 * MB, current=110 * MB, stat="inactive_file 0")
    assert free(tmp_path, "0::/\n") == -10


def test_a_container_without_its_stat_file_counts_all_that_is_used(tmp_path: Path) -> None:
    level(tmp_path / "fs", max=1000 * MB, current=400 * MB)
    assert free(tmp_path, "0::/\n") == 600


def test_a_limit_that_is_raised_or_lowered_holds_at_once(tmp_path: Path) -> None:
    level(tmp_path / "fs", max=1000 * MB, current=900 * MB, stat="inactive_file 0")
    assert free(tmp_path, "0::/\n") == 100
    level(tmp_path / "fs", max=3000 * MB)
    assert free(tmp_path, "0::/\n") == 2100
    level(tmp_path / "fs", max=800 * MB)
    assert free(tmp_path, "0::/\n") == -100
