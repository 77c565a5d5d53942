"""The CPU quota of the benchmark's worker host, with real cgroups where this host gives any."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.bench.cpu_quota import CGROUPS, QuotaUnavailable, cpu_quota
from tests.bench.processes import Tree

CORES = 0.2
SECONDS = 1.0
BUSY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
print("begun", flush=True)
while True: pass
"""


def test_processes_use_no_more_than_their_quota_or_the_reason_is_said() -> None:
    refused = None
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as busy:
        tree = Tree([busy.pid])
        try:
            assert busy.stdout is not None
            busy.stdout.readline()
            with cpu_quota(tree, CORES):
                before, began = tree.cpu_seconds(), time.monotonic()
                time.sleep(SECONDS)
                used = (tree.cpu_seconds() - before) / (time.monotonic() - began)
            assert 0 < used < 2 * CORES
        except QuotaUnavailable as reason:
            refused = str(reason)
        finally:
            for process in tree.processes():
                process.kill()
    assert refused is None or str(CGROUPS) in refused
    assert not list(CGROUPS.glob("**/switchboard-bench-*"))
