"""The turn detector's sidecar of a real worker: it is replaced when it dies, and ends with its worker."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest

from ops.stack import Worker
from tasks.worker import death_signal
from tests.support.waiting import until


@pytest.fixture
def worker_settings() -> dict[str, str]:
    return {"LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE": "1"}


def processes(worker: Worker) -> list[int]:
    """Return those that the worker has logged, the oldest first."""
    lines = (json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{"))
    return [line["pid"] for line in lines if line["message"] == "sidecar started"]


async def ignores(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()  # noqa: ASYNC240 - not a file on any disk
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    return bool(int(fields["SigIgn"], 16) >> (number - 1) & 1)


async def test_a_process_that_was_killed_is_replaced_and_the_last_one_ends_with_its_worker(worker: Worker) -> None:
    async def started(count: int) -> bool:
        return len(processes(worker)) == count

    await until(lambda: started(1))
    os.kill(processes(worker)[0], signal.SIGKILL)
    await until(lambda: started(2))
    last = psutil.Process(processes(worker)[1])
    assert last.ppid() == worker.pid
    # A worker that drains has calls, which go on asking.
    await until(lambda: ignores(last.pid, signal.SIGTERM))

    worker.send(signal.SIGKILL)
    await worker.exited()

    async def gone() -> bool:
        return not last.is_running() or last.status() == psutil.STATUS_ZOMBIE

    await until(gone)
    assert len(processes(worker)) == 2


def test_a_process_ends_with_its_parent_by_our_own_request() -> None:
    reading, writing = os.pipe()
    parent = os.fork()
    if not parent:
        if not os.fork():
            death_signal.request(os.getppid())
            os.write(writing, b"asked")
            signal.pause()
        signal.pause()
    os.close(writing)
    assert os.read(reading, 5) == b"asked"
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    # At its end, nobody is left who could write.
    assert os.read(reading, 1) == b""
    os.close(reading)
