"""Admission: a test waits to begin while too much on this machine wants a core.

Lanes are more than cores, as most tests wait. Where a core is slow, or shared with other machines, the calls of all
lanes together take more than there is: no agent speaks in time, and timeouts that are for what never comes run out.
Fewer tests at a time take no longer there, as the cores stay busy.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import pytest

RUNNABLE_PER_CORE = 2
"""With more threads that run or want to, on average of a second, a test waits: the cores are busy without it."""
LONGEST_WAIT_SECONDS = 120.0
PERIOD_SECONDS = 0.1
READINGS = 10
SETTLE_SECONDS = 1.0
"""So much later the next test may begin after one that starts servers: then what they take is seen."""
NO_SERVERS = "tests/unit/"
WAITED_SECONDS = "admission_waited_seconds"
"""The key of a lane's output."""
OWN_SERVERS = ("tests/chaos/", "tests/campaign/", "tests/acceptance/", "tests/bench/")
"""Where each test waits, and not only the first of its file. The others may have servers in the process of the test,
which answer nobody while it waits."""


class Admission:
    """A plugin of each lane, which lets one test at a time begin."""

    def __init__(self) -> None:
        self._limit = RUNNABLE_PER_CORE * (os.cpu_count() or 1)
        self._file = ""
        self.waited_seconds = 0.0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Wait outside of the test: no duration and no timeout counts it."""
        file, _, _ = item.nodeid.partition("::")
        if file.startswith(OWN_SERVERS) or (file != self._file and not file.startswith(NO_SERVERS)):
            began = time.monotonic()
            self._wait(file)
            self.waited_seconds += time.monotonic() - began
        self._file = file
        return (yield)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand `waited_seconds` to the process that prints the lanes."""
        session.config.workeroutput[WAITED_SECONDS] = self.waited_seconds  # type: ignore[attr-defined]

    def _wait(self, file: str) -> None:
        turn = os.open(_turns(), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX)
            # The time of the file is when the last test with servers began.
            time.sleep(min(max(os.fstat(turn).st_mtime + SETTLE_SECONDS - time.time(), 0), SETTLE_SECONDS))
            give_up = time.monotonic() + LONGEST_WAIT_SECONDS
            while _busy(self._limit) and time.monotonic() < give_up:
                pass
            if file.startswith(OWN_SERVERS):
                os.utime(turn)
        finally:
            os.close(turn)


def runnable() -> int:
    """Return how many threads run or want to, without the one that asks; 0 where the system does not tell."""
    try:
        _, _, _, running, _ = Path("/proc/loadavg").read_text().split()
    except OSError:
        return 0
    return int(running.partition("/")[0]) - 1


def _busy(limit: float) -> bool:
    if runnable() <= limit:
        return False
    readings = []
    for _ in range(READINGS):
        time.sleep(PERIOD_SECONDS)
        readings.append(runnable())
    return mean(readings) > limit


def _turns() -> Path:
    return Path(tempfile.gettempdir()) / f"livekit-switchboard-tests-{os.getuid()}"
