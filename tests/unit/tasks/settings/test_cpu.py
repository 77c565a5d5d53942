from __future__ import annotations

import os
import subprocess
import sys
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
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(HOST)))


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
    (found,) = cpu.limits(cgroups, own(tmp_path, "0::/\n"))
    assert (found.cores, found.busy_seconds) == (1.5, 2.5)


def test_each_quota_counts_that_holds(tmp_path: Path) -> None:
    cgroups = written(
        tmp_path / "fs",
        a__cpu_dot_max="100000 100000\n",
        a__cpu_dot_stat="usage_usec 7000000\n",
        a__b__cpu_dot_max="400000 100000\n",
        a__b__cpu_dot_stat="usage_usec 1000000\n",
    )
    found = cpu.limits(cgroups, own(tmp_path, "0::/a/b\n"))
    assert [(limit.cores, limit.busy_seconds) for limit in found] == [(4.0, 1.0), (1.0, 7.0)]


def test_a_path_that_the_container_cannot_see_is_looked_for_from_its_end_on(tmp_path: Path) -> None:
    cgroups = written(tmp_path / "fs", cpu_dot_max="200000 100000\n", cpu_dot_stat="usage_usec 1000000\n")
    assert [limit.cores for limit in cpu.limits(cgroups, own(tmp_path, "0::/docker/4e1d\n"))] == [2.0]


def test_a_container_of_cgroup_1_has_the_cores_of_its_quota(tmp_path: Path) -> None:
    cgroups = written(
        tmp_path / "fs",
        cpu__box__cpu_dot_cfs_quota_us="50000\n",
        cpu__box__cpu_dot_cfs_period_us="100000\n",
        cpuacct__box__cpuacct_dot_usage="3000000000\n",
    )
    (found,) = cpu.limits(cgroups, own(tmp_path, "4:cpu,cpuacct:/box\n0::/\n"))
    assert (found.cores, found.busy_seconds) == (0.5, 3.0)


@pytest.mark.parametrize("quota", ["max 100000", "", "-1"])
def test_without_a_quota_it_is_the_host(tmp_path: Path, quota: str) -> None:
    cgroups = written(tmp_path / "fs", cpu_dot_max=quota, cpu_dot_stat="usage_usec 1\n")
    assert [limit.cores for limit in cpu.limits(cgroups, own(tmp_path, "0::/\n"))] == [HOST]


def test_a_quota_of_more_than_the_host_leaves_the_host_as_it_is(tmp_path: Path) -> None:
    cgroups = written(tmp_path / "fs", cpu_dot_max="9900000 100000", cpu_dot_stat="usage_usec 1\n")
    assert min(limit.cores for limit in cpu.limits(cgroups, own(tmp_path, "0::/\n"))) == HOST


STAT = """\
cpu  900 0 900 9000 0 0 0 0 0 0
cpu0 100 20 30 5000 7 4 5 6 0 0
cpu1 200 0 0 5000 0 0 0 0 0 0
cpu10 300 0 0 5000 0 0 0 0 0 0
intr 12345
"""


def test_a_process_that_may_run_on_some_cpus_only_has_these(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stat").write_text(STAT)
    monkeypatch.setattr(cpu, "STAT", tmp_path / "stat")
    monkeypatch.setattr(cpu, "_TICKS_PER_SECOND", 100)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 10})
    (found,) = cpu.limits(tmp_path, tmp_path / "nothing")
    assert (found.cores, found.busy_seconds) == (2.0, 4.65)


@pytest.mark.parametrize(("quota", "cores"), [("150000 100000", [1.5]), ("300000 100000", [3.0, 2.0])])
def test_cpus_count_beside_a_quota_that_they_cannot_use_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: list[float]
) -> None:
    cgroups = written(tmp_path / "fs", cpu_dot_max=quota, cpu_dot_stat="usage_usec 1\n")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    assert [limit.cores for limit in cpu.limits(cgroups, own(tmp_path, "0::/\n"))] == cores


def test_a_process_that_is_bound_to_a_cpu_of_this_host_is_told_so() -> None:
    program = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from tasks.settings import cpu; "
    program += "before = cpu.limits()[-1].busy_seconds\n"
    program += "while cpu.limits()[-1].busy_seconds == before: pass\n"
    program += "print(cpu.cores())"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert float(said.stdout) <= 1.0


def test_without_cgroups_it_is_the_host_and_its_busy_seconds_grow(tmp_path: Path) -> None:
    def busy_seconds() -> float:
        (host,) = cpu.limits(tmp_path, tmp_path / "nothing")
        return host.busy_seconds

    before = busy_seconds()
    while busy_seconds() == before:
        pass
    assert busy_seconds() > before


def test_a_quota_whose_use_cannot_be_read_does_not_count(tmp_path: Path) -> None:
    cgroups = written(tmp_path / "fs", cpu_dot_max="100000 100000\n", cpu_dot_stat="nr_periods 1\n")
    assert [limit.cores for limit in cpu.limits(cgroups, own(tmp_path, "0::/\n"))] == [HOST]


def test_busy_seconds_stay_the_same_while_the_host_is_idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = set()
    for idle_ticks in range(113_017, 114_017):
        # As psutil gives them: the kernel's ticks, each divided by their number in a second.
        times = Times(user=2387.14, nice=7.54, system=392.83, idle=idle_ticks / 100, iowait=8.8, irq=0.0, softirq=8.97)
        monkeypatch.setattr("psutil.cpu_times", lambda times=times: times)
        (host,) = cpu.limits(tmp_path, tmp_path / "nothing")
        busy.add(host.busy_seconds)
    assert busy == {2796.48}
