"""A process beside the worker's children. Each test forks in a process of its own that has one thread, as a worker."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

PRELUDE = """
import json, os, signal, sys, time
from tasks.worker.sidecars.sidecar import Sidecar

reading, writing = os.pipe()
unrelated, _ = os.pipe()

def started():
    return json.loads(os.read(reading, 1000))

def report():
    listed = [int(name) for name in os.listdir("/proc/self/fd")]
    open_fds = [fd for fd in listed if os.path.lexists(f"/proc/self/fd/{fd}")]
    os.write(writing, json.dumps([os.getpid(), os.getppid(), open_fds]).encode())

def replaced(sidecar, pid):
    while os.path.exists(f"/proc/{pid}"):
        sidecar.ensure_running()
        time.sleep(0.01)
    return started()
"""


def run(program: str) -> Any:
    source = PRELUDE + textwrap.dedent(program)
    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(ran.stdout)


def test_it_is_replaced_when_it_dies_and_gone_when_it_is_stopped() -> None:
    first, second, alive, after = run("""
        sidecar = Sidecar("test", lambda: (report(), signal.pause()), inherited_fd=writing)
        sidecar.ensure_running()
        first, *_ = started()
        # The signals of a drain.
        os.kill(first, signal.SIGTERM)
        sidecar.ensure_running()
        alive = os.path.exists(f"/proc/{first}")
        os.kill(first, signal.SIGKILL)
        second, *_ = replaced(sidecar, first)
        sidecar.stop()
        print(json.dumps([first, second, alive, os.path.exists(f"/proc/{second}")]))
    """)
    assert first != second
    assert (alive, after) == (True, False)


def test_it_inherits_one_file_descriptor_and_no_input() -> None:
    parent, writing, (_, its_parent, open_fds) = run("""
        sidecar = Sidecar("test", lambda: (report(), signal.pause()), inherited_fd=writing)
        sidecar.ensure_running()
        found = started()
        sidecar.stop()
        print(json.dumps([os.getpid(), writing, found]))
    """)
    assert its_parent == parent
    assert set(open_fds) == {0, 1, 2, writing}


def test_it_may_run_a_program_of_its_own() -> None:
    exit_codes = run("""
        import logging
        exit_codes = []

        class Handler(logging.Handler):
            def emit(self, record):
                if record.levelno == logging.ERROR:
                    exit_codes.append(record.exit_code)

        logging.getLogger("switchboard").addHandler(Handler())
        command = [sys.executable, "-c", "import sys; sys.exit(0 if sys.stdin.read() == '' else 1)"]
        sidecar = Sidecar("test", lambda: os.execv(sys.executable, command))
        while len(exit_codes) < 2:
            sidecar.ensure_running()
            time.sleep(0.01)
        sidecar.stop()
        print(json.dumps(exit_codes))
    """)
    assert exit_codes == [0, 0]


def test_a_sidecar_that_fails_does_not_go_on_as_a_second_worker() -> None:
    (exit_code,) = run("""
        import logging
        exit_codes = []

        class Handler(logging.Handler):
            def emit(self, record):
                if hasattr(record, "exit_code"):
                    exit_codes.append(record.exit_code)

        logging.getLogger("switchboard").addHandler(Handler())
        sidecar = Sidecar("test", lambda: 1 / 0)
        while not exit_codes:
            sidecar.ensure_running()
            time.sleep(0.01)
        sidecar.stop()
        print(json.dumps(exit_codes))
    """)
    assert exit_code == 70
