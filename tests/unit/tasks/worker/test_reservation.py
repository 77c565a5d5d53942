from __future__ import annotations

import os

import pytest

from tasks.worker.intake.reservation import LEAST, MOST, Reservations, cpu_seconds

WINDOW = 2.0


class Host:
    """A clock, and what each child has used."""

    def __init__(self) -> None:
        self.now = 0.0
        self.used: dict[int, float] = {}

    def reservations(self, cores: float = 0.5) -> Reservations:
        return Reservations(cores, WINDOW, clock=lambda: self.now, used=lambda pid: self.used.get(pid, 0.0))


@pytest.fixture
def host() -> Host:
    return Host()


def test_a_call_reserves_its_share_at_once_and_gives_it_back_as_the_load_comes_to_show_it(host: Host) -> None:
    reservations = host.reservations()
    reservations.add("a")
    assert reservations.cores == 0.5
    host.now = 1.0
    assert reservations.cores == 0.25
    host.now = 3.0
    assert reservations.cores == 0.0


def test_each_call_of_a_burst_reserves_its_own(host: Host) -> None:
    reservations = host.reservations()
    for task in "abc":
        reservations.add(task)
    assert reservations.cores == 1.5


def test_a_call_that_has_ended_reserves_nothing(host: Host) -> None:
    reservations = host.reservations()
    reservations.add("a")
    reservations.add("b")
    reservations.update({"b": None}, [])
    assert reservations.cores == 0.5


def test_what_a_call_reserves_is_learned_from_what_calls_have_used_and_not_from_getting_ready(host: Host) -> None:
    reservations = host.reservations(cores=0.5)
    for task, pid in enumerate(range(1, 40)):
        host.used[pid] = 5.0
        reservations.update({}, [pid])
        reservations.add(str(task))
        reservations.update({str(task): pid}, [pid])
        host.used[pid] += 0.3 * WINDOW
        host.now += WINDOW
        reservations.update({str(task): pid}, [pid])
    assert reservations.cores_per_call == pytest.approx(0.3, abs=0.01)


def test_a_call_teaches_once(host: Host) -> None:
    reservations = host.reservations()
    reservations.add("a")
    reservations.update({"a": 7}, [7])
    host.now, host.used[7] = WINDOW, 0.2
    reservations.update({"a": 7}, [7])
    learned = reservations.cores_per_call
    host.now, host.used[7] = 10.0, 9.0
    reservations.update({"a": 7}, [7])
    assert reservations.cores_per_call == learned


@pytest.mark.parametrize(("used", "multiple"), [(0.0, LEAST), (1000.0, MOST)])
def test_odd_calls_move_it_only_so_far(host: Host, used: float, multiple: float) -> None:
    reservations = host.reservations(cores=0.5)
    for task in map(str, range(50)):
        reservations.add(task)
        reservations.update({task: 7}, [])
        host.now += WINDOW
        host.used[7] = used
        reservations.update({task: 7}, [])
    assert reservations.cores_per_call == pytest.approx(0.5 * multiple)


def test_at_zero_nothing_is_reserved(host: Host) -> None:
    reservations = host.reservations(cores=0.0)
    reservations.add("a")
    reservations.update({"a": 1}, [1])
    assert reservations.cores == 0.0
    assert reservations._calls == {}


def test_a_process_that_is_gone_has_used_nothing_and_a_live_one_something() -> None:
    assert cpu_seconds(2**22 + 1) == 0.0
    assert cpu_seconds(os.getpid()) > 0.0
