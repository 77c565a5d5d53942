"""Lanes: processes of pytest-xdist among which the tests are dealt out, a file at a time.

Most tests wait more than they compute, so there are more lanes than cores. A file is never split: its tests share what
its module starts. Which lane gets which file is decided as the lanes become free, the longest first, because one that
began last would be waited for. See CONTRIBUTING.md.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from typing import Any, cast

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tests import admission

LANES_PER_CORE = 3.5
MOST_LANES = 8
LONGEST_FIRST = (
    "tests/chaos/",
    "tests/campaign/",
    "tests/acceptance/",
    "tests/bench/",
    "tests/integration/",
    "tests/unit/",
)
INSTALLATION = "tests/acceptance/"
"""Tests that share one installation in each lane that runs any of them. To start it takes many seconds of CPU."""
INSTALLATIONS = 2
FEW = 2
"""With fewer tests ahead a lane gets its next file: it must know what comes next before it ends a test."""


def count() -> int:
    """Return how many lanes this machine gets."""
    return min(int(LANES_PER_CORE * (os.cpu_count() or 1)), MOST_LANES)


class Lanes(LoadScopeScheduling):
    """The order in which lanes get files."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self._installed: set[WorkerController] = set()

    def remove_node(self, node: WorkerController) -> str | None:
        """A lane has ended, or died: then its file goes to another one."""
        self._installed.discard(node)
        file: str | None = super().remove_node(node)
        return file

    def _assign_work_unit(self, node: WorkerController) -> None:
        file = self._next(node)
        if file is None:
            return
        if file.startswith(INSTALLATION):
            self._installed.add(node)
        self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        if node.shutting_down:
            return
        if self._next(node) is None:
            # It ends when it has done what it has.
            node.shutdown()
        elif self._pending_of(self.assigned_work[node]) <= FEW:
            self._assign_work_unit(node)

    def _next(self, node: WorkerController) -> str | None:
        full = node not in self._installed and len(self._installed) >= INSTALLATIONS
        allowed = (file for file in self.workqueue if not (full and file.startswith(INSTALLATION)))
        return min(allowed, key=_rank, default=None)


def _rank(file: str) -> int:
    return next((rank for rank, folder in enumerate(LONGEST_FIRST) if file.startswith(folder)), len(LONGEST_FIRST))


class Totals:
    """A plugin that ends the output with a line for each lane."""

    def __init__(self) -> None:
        self._tests: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._waited: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a phase of a test, in the lane that it ran in."""
        lane = cast("Any", report).node.gateway.id
        self._tests[lane] += report.when == "setup"
        self._seconds[lane] += report.duration

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: WorkerController) -> None:
        """Note how long a lane has waited to begin its tests."""
        output = getattr(node, "workeroutput", {})
        self._waited[node.gateway.id] = output.get(admission.WAITED_SECONDS, 0.0)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the lines."""
        terminalreporter.section("lanes")
        for lane in sorted(self._tests):
            waited = self._waited.get(lane, 0.0)
            terminalreporter.line(
                f"{lane}: {self._tests[lane]} tests in {self._seconds[lane]:.0f} s, waited {waited:.0f} s to begin them"
            )
