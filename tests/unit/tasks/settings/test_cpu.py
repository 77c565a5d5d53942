from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from tasks.settings import cpu

HOST = 64


class Times(NamedTuple):
    user: float
    nice: float
    system: float
    idle: float
    iowait: float
    irq: float
    softirq: float


@pytest.fixture(autouse=True)
def a_large_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: HOST)


def written(root: Path, **files: str) -> Path:
    for name, content in files.items():
        file = root / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


def own(tmp_path: Path, content: str) -> Path:
    file = tmp_path / "own"
    file.write_text(content)
    return file


def test_a_thread_knows_how_long_it_has_waited_for_a_cpu() -> None:
    before = cpu.queued_seconds()
    os.sched_yield()
    assert 0 <= before <= cpu.queued_seconds()


def test_a_container_of_cgroup_2_has_the_cores_of_its_quota(tmp_path: Path) -> None:
    cgroups = written(tmp_path / "fs", cpu_dot_max="150000 100000\n", cpu_dot_stat="usage_usec 2500000\nuser_usec 1\n")
    found = cpu.available(cgroups, own(tmp_path, "0::/\n"))
    assert (found.cores, found.busy_seconds()) == (1.5, 2.5)


def test_the_tightest_quota_of_all_that_hold_counts(tmp_path: Path) -> None:
    cgroups = written(
        tmp_path / "fs",
        a__cpu_dot_max="100000 100000\n",
        a__cpu_dot_stat="usage_usec 7000000\n",
        a__b__cpu_dot_max="400000 100000\n",
        a__b__cpu_dot_stat="usage_usec 1000000\n",
    )
    found = cpu.available(cgroups, own(tmp_path, "0::/a/b\n"))
    assert (found.cores, found.busy_seconds()) == (1.0, 7.0)


def test_a_path_that_the_container_cannot_see_is_looked_for_from_its_end_on(tmp_path: Path) -> None:
    cgroups = written(tmp_path / "fs", cpu_dot_max="200000 100000\n", cpu_dot_stat="usage_usec 1000000\n")
    assert cpu.available(cgroups, own(tmp_path, "0::/docker/4e1d\n")).cores == 2.0


def test_a_container_of_cgroup_1_has_the_cores_of_its_quota(tmp_path: Path) -> None:
    cgroups = written(
        tmp_path / "fs",
        cpu__box__cpu_dot_cfs_quota_us="50000\n",
        cpu__box__cpu_dot_cfs_period_us="100000\n",
        cpuacct__box__cpuacct_dot_usage="3000000000\n",
    )
    found = cpu.available(cgroups, own(tmp_path, "4:cpu,cpuacct:/box\n0::/\n"))
    assert (found.cores, found.busy_seconds()) == (0.5, 3.0)


@pytest.mark.parametrize("quota", ["max 100000", "", "-1"])
def test_without_a_quota_it_is_the_host(tmp_path: Path, quota: str) -> None:
    cgroups = written(tmp_path / "fs", cpu_dot_max=quota, cpu_dot_stat="usage_usec 1\n")
    assert cpu.available(cgroups, own(tmp_path, "0::/\n")).cores == HOST


def test_without_cgroups_it_is_the_host_and_its_busy_seconds_grow(tmp_path: Path) -> None:
    found = cpu.available(tmp_path, tmp_path / "nothing")
    before = found.busy_seconds()
    while found.busy_seconds() == before:
        pass
    assert found.busy_seconds() > before


def test_a_quota_whose_use_cannot_be_read_does_not_count(tmp_path: Path) -> None:
    cgroups = written(tmp_path / "fs", cpu_dot_max="100000 100000\n", cpu_dot_stat="nr_periods 1\n")
    assert cpu.available(cgroups, own(tmp_path, "0::/\n")).cores == HOST


def test_busy_seconds_stay_the_same_while_the_host_is_idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = cpu.available(tmp_path, tmp_path / "nothing")
    busy = set()
    for idle_ticks in range(113_017, 114_017):
        # As psutil gives them: the kernel's ticks, each divided by their number in a second.
        times = Times(user=2387.14, nice=7.54, system=392.83, idle=idle_ticks / 100, iowait=8.8, irq=0.0, softirq=8.97)
        monkeypatch.setattr("psutil.cpu_times", lambda times=times: times)
        busy.add(found.busy_seconds())
    assert busy == {2796.48}
