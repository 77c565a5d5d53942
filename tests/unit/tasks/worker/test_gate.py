from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tasks.call.drain import Drain
from tasks.rooms import Intake
from tasks.settings.cpu import CpuLimit
from tasks.worker.breaker import FAILURES, CircuitBreaker, Failure
from tasks.worker.intake.gate import IntakeGate
from tasks.worker.intake.load import SAMPLE_SECONDS, CpuLoad
from tasks.worker.intake.reservation import Reservations
from tasks.worker.pool.one_shot_pool import OneShotPool
from tasks.worker.start.prewarm_state import PrewarmState


@dataclass
class Pool:
    idle_children: int = 1
    short_of_memory: bool = False


@dataclass
class Channel:
    _in_poll: object = None
    qos: SimpleNamespace = field(default_factory=SimpleNamespace)


def gate(file: Path, *, idle: int = 1, load: float = 0.0, samples: int = 5) -> IntakeGate:
    file.write_text(str(load))
    cpu = CpuLoad(2.5, file)
    for _ in range(samples):
        cpu.sample()
    return over(cpu, idle=idle)


def test_the_gate_is_closed_while_calls_fail_if_another_worker_can_take_them(tmp_path: Path) -> None:
    breaker = CircuitBreaker()
    failing = over(CpuLoad(2.5, tmp_path / "load"), breaker=breaker)
    (tmp_path / "load").write_text("0")
    failing._load.sample()
    for number in range(FAILURES):
        breaker.failed(f"{number}:1", Failure(f"{number}", "acme", "because", of_host=False))
    assert (failing.intake, failing.should_return, failing.problem) == (Intake.FAILING, True, "because")
    failing.is_alone = True
    assert (failing.intake, failing.should_return) == (Intake.OPEN, False)


def over(
    cpu: CpuLoad,
    *,
    idle: int = 1,
    reservations: Reservations | None = None,
    breaker: CircuitBreaker | None = None,
) -> IntakeGate:
    pool, reserved = cast("OneShotPool", Pool(idle)), reservations or Reservations(0, 2.5)
    return IntakeGate(pool, cpu, reserved, 0.7, Drain(), breaker or CircuitBreaker(), PrewarmState(Path("/nowhere")))


def test_the_gate_is_open_with_an_idle_child_and_a_load_up_to_the_threshold(tmp_path: Path) -> None:
    assert gate(tmp_path / "load", load=0.7).intake is Intake.OPEN


def test_the_gate_is_closed_without_an_idle_child(tmp_path: Path) -> None:
    assert gate(tmp_path / "load", idle=0).intake is Intake.NO_SLOT


def test_a_gate_without_an_idle_child_says_that_there_is_no_memory_for_another() -> None:
    cpu = CpuLoad(2.5)
    cpu.sample()
    short = over(cpu, idle=0)
    cast("Pool", short._pool).short_of_memory = True
    assert short.intake is Intake.MEMORY
    # Its spares were ended while it waited for a message.
    assert short.should_return


@pytest.mark.parametrize(("load", "would_take"), [(0.7, True), (0.71, False)])
def test_more_spares_are_of_use_while_only_a_child_is_missing(tmp_path: Path, load: float, *, would_take: bool) -> None:
    assert gate(tmp_path / "load", idle=0, load=load).would_take is would_take


def test_more_spares_are_of_no_use_to_a_worker_that_drains(tmp_path: Path) -> None:
    draining = gate(tmp_path / "load")
    draining._drain.begin(10)
    assert not draining.would_take


def test_the_gate_is_closed_when_more_tasks_are_on_their_way_than_children_idle(tmp_path: Path) -> None:
    assert gate(tmp_path / "load", idle=-1).intake is Intake.NO_SLOT


def test_the_gate_is_closed_over_the_threshold(tmp_path: Path) -> None:
    assert gate(tmp_path / "load", load=0.71).intake is Intake.LOAD


def test_the_gate_is_closed_before_the_load_is_known(tmp_path: Path) -> None:
    assert gate(tmp_path / "load", samples=0).intake is Intake.LOAD


def test_a_peak_shorter_than_the_window_does_not_close_the_gate(tmp_path: Path) -> None:
    file = tmp_path / "load"
    cpu = CpuLoad(2.5, file)
    for load in (0.2, 0.2, 1.0, 0.2, 0.2):
        file.write_text(str(load))
        cpu.sample()
    assert over(cpu).intake is Intake.OPEN


def test_calls_just_started_close_the_gate_before_the_load_shows_them(tmp_path: Path) -> None:
    (tmp_path / "load").write_text("0.1")
    cpu = CpuLoad(2.5, tmp_path / "load", lambda: [CpuLimit("host", 2.0, 0.0)])
    cpu.sample()
    moment = [0.0]
    reservations = Reservations(0.5, 2.5, clock=lambda: moment[0])
    burst = over(cpu, reservations=reservations)
    taken = 0
    while burst.intake is Intake.OPEN:
        burst.reserve(f"task-{taken}")
        taken += 1
    assert (taken, burst.intake) == (3, Intake.RESERVED)
    assert burst.should_return
    moment[0] = 2.5
    assert not burst.should_return


def test_a_load_that_rises_closes_the_gate_within_two_seconds_and_opens_it_only_when_the_window_has_passed(
    tmp_path: Path,
) -> None:
    file = tmp_path / "load"
    cpu = CpuLoad(2.5, file)
    levels = []
    for load in (0.1,) * 5 + (1.0,) * 5 + (0.1,) * 5:
        file.write_text(str(load))
        cpu.sample()
        levels.append(cpu.level > 0.7)
    rise, fall = 5, 10
    first = levels.index(True)
    assert (first + 1 - rise) * SAMPLE_SECONDS <= 1.0
    assert all(levels[first : fall + 1])
    assert not levels[-1]


def test_a_load_file_that_is_gone_counts_as_full(tmp_path: Path) -> None:
    cpu = CpuLoad(1.0, tmp_path / "gone")
    cpu.sample()
    assert cpu.level == 1.0


def test_the_cpu_load_is_a_fraction_of_all_cores() -> None:
    cpu = CpuLoad(2.5)
    cpu.sample()
    assert 0.0 <= cpu.level <= 1.0


class Clock:
    """The time, and the limits of the CPU at that time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *limits: CpuLimit) -> None:
        self.now = 0.0
        self.limits = list(limits)
        monkeypatch.setattr("tasks.worker.intake.load.time.monotonic", lambda: self.now)

    def sample_after_a_second(self, cpu: CpuLoad, *limits: CpuLimit) -> float:
        """Return the load when a second later these are the limits."""
        self.now, self.limits = self.now + 1.0, list(limits)
        cpu.sample()
        return cpu.level


def test_the_load_is_that_of_the_limit_which_is_used_most(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, CpuLimit("box", 2.0, 10.0), CpuLimit("pod", 3.0, 20.0))
    cpu = CpuLoad(1.0, None, lambda: clock.limits)
    # A neighbour in the pod takes what the worker's own container leaves.
    load = clock.sample_after_a_second(cpu, CpuLimit("box", 2.0, 11.0), CpuLimit("pod", 3.0, 22.7))
    assert load == pytest.approx(0.9)
    assert cpu.cores == 2.0


def test_a_limit_that_changes_while_the_worker_runs_counts_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, CpuLimit("box", 8.0, 10.0))
    cpu = CpuLoad(1.0, None, lambda: clock.limits)
    assert clock.sample_after_a_second(cpu, CpuLimit("box", 2.0, 11.8)) == pytest.approx(0.9)
    assert cpu.cores == 2.0
    # Now it may run on one CPU only. How busy that is shows in the time after that.
    loads = [
        clock.sample_after_a_second(cpu, CpuLimit("box", 2.0, 11.8), CpuLimit("CPUs [0]", 1.0, busy_seconds))
        for busy_seconds in (500.0, 500.8, 501.6)
    ]
    assert loads == pytest.approx([0.45, 0.4, 0.8])
    assert cpu.cores == 1.0


def test_a_closed_gate_lets_a_brpop_that_is_under_way_finish(tmp_path: Path) -> None:
    channel = Channel()
    gate(tmp_path / "load", load=1.0).guard(channel)
    assert not channel.qos.can_consume()
    channel._in_poll = object()
    assert channel.qos.can_consume()
