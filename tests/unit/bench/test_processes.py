"""CPU and memory of real processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tests.bench.processes import Tree, private_mb, pss_mb

MEGABYTES = 64


def test_memory_that_a_process_has_to_itself_is_private_and_in_its_pss() -> None:
    allocate = f"import sys; kept = b'x' * ({MEGABYTES} << 20); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", allocate], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert MEGABYTES < private_mb(process.pid) < 2 * MEGABYTES
        assert private_mb(process.pid) <= pss_mb(process.pid)
        assert Tree([os.getpid()]).pss_mb() > MEGABYTES


def test_a_process_that_is_gone_has_no_memory() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert (private_mb(gone.pid), pss_mb(gone.pid), Tree([gone.pid]).cpu_seconds()) == (0, 0, 0)


def test_the_cpu_time_of_ended_children_counts() -> None:
    tree = Tree([os.getpid()])
    before = tree.cpu_seconds()
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    # The kernel counts in hundredths.
    assert tree.cpu_seconds() - before > 0.25


def test_the_process_that_is_connected_to_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert Tree([os.getpid()]).connected_to(port) == set()
        with socket.create_connection(("127.0.0.1", port)):
            assert Tree([os.getpid()]).connected_to(port) == {os.getpid()}


def test_the_first_root_is_the_main_process() -> None:
    assert Tree([os.getpid(), 1]).main == os.getpid()
    with pytest.raises(IndexError):
        Tree([]).main  # noqa: B018 - the property raises
