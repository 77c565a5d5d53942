from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests import admission
from tests.admission import Admission

CALLS = "tests/acceptance/test_calls.py::test_answered"
ROOMS = "tests/integration/test_rooms.py::test_opened"
BUSY = 99


class Machine:
    """A machine whose runnable threads are given, and a clock that goes on when somebody waits.

    `since` is how many seconds ago the last test with servers began, by the clock of files.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.now = 1000.0
        self.readings: Iterator[int] = repeat(0)
        self.since = 10.0

    def runnable(self) -> int:
        self.asked += 1
        return next(self.readings)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return time.time() + self.since


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    machine = Machine()
    monkeypatch.setattr(admission, "runnable", machine.runnable)
    monkeypatch.setattr(admission, "time", machine)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return machine


def run(plugin: Admission, test: str) -> None:
    protocol = plugin.pytest_runtest_protocol(cast("pytest.Item", SimpleNamespace(nodeid=test)))
    next(protocol)
    with pytest.raises(StopIteration):
        next(protocol)


def test_a_test_begins_at_once_where_cores_are_free(machine: Machine) -> None:
    began = machine.now
    run(Admission(), ROOMS)
    assert (machine.asked, machine.now) == (1, began)


def test_a_test_waits_until_the_cores_have_time(machine: Machine) -> None:
    seconds = 3
    machine.readings = chain(repeat(BUSY, seconds * (admission.READINGS + 1)), repeat(0))
    began = machine.now
    run(Admission(), ROOMS)
    assert machine.now - began == pytest.approx(seconds * admission.READINGS * admission.PERIOD_SECONDS)


def test_a_machine_that_is_never_free_holds_no_test_back_for_ever(machine: Machine) -> None:
    machine.readings = repeat(BUSY)
    began = machine.now
    run(Admission(), CALLS)
    assert machine.now - began == pytest.approx(admission.LONGEST_WAIT_SECONDS, abs=2)


def test_one_without_servers_does_not_ask(machine: Machine) -> None:
    run(Admission(), "tests/unit/test_words.py::test_said")
    assert machine.asked == 0


@pytest.mark.parametrize(("test", "asked"), [(ROOMS, 1), (CALLS, 2)])
def test_within_a_file_only_those_with_servers_of_their_own_ask(machine: Machine, test: str, asked: int) -> None:
    plugin = Admission()
    run(plugin, test)
    run(plugin, test)
    assert machine.asked == asked


def test_the_first_of_another_file_asks_again(machine: Machine) -> None:
    plugin = Admission()
    for test in (ROOMS, "tests/unit/test_words.py::test_said", ROOMS):
        run(plugin, test)
    assert machine.asked == 2


def test_what_a_test_starts_is_seen_before_the_next_one_begins(machine: Machine) -> None:
    run(Admission(), CALLS)
    machine.since = 0
    began = machine.now
    run(Admission(), ROOMS)
    assert machine.now - began == pytest.approx(admission.SETTLE_SECONDS, abs=0.5)


@pytest.mark.skipif(not Path("/proc/loadavg").exists(), reason="this system does not count runnable threads there")
def test_the_one_who_asks_is_not_counted() -> None:
    assert 0 <= admission.runnable() < 1000
