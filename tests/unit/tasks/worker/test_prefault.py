"""A child whose call is over records the pages that it has changed, and the next ones have them before their call."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tasks.worker.tuning import prefault

MAPS = """\
55d000000000-55d000021000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000002000 r--p 00000000 08:01 1                          /lib/read.so
7f0000002000-7f0000003000 rw-p 00002000 08:01 1                          /lib/written.so
7f0000003000-7f0000004000 rw-s 00000000 00:01 2                          /dev/zero (deleted)
7f0000004000-7f0000005000 ---p 00000000 00:00 0
"""

# Forks one child after another, as a worker does; each prints which of the 64 pages are its own, before and after it
# has changed some.
PROGRAM = """
import json, mmap, os, sys
from pathlib import Path
from tasks.worker.tuning import prefault

SIZE, PAGES = mmap.PAGESIZE, 64
shared = mmap.mmap(-1, SIZE * PAGES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
shared[:] = b"x" * len(shared)
import ctypes
begin = ctypes.addressof(ctypes.c_char.from_buffer(shared))
recorded = prefault.Prefault(Path(sys.argv[1]))

def own():
    ranges = prefault.own_pages(((begin, begin + SIZE * PAGES),))
    return sorted(
        (at - begin) // SIZE + page
        for at, size in zip(ranges[::2], ranges[1::2])
        for page in range(size // SIZE)
    )

for changed in ([3, 4, 40], [50]):
    pid = os.fork()
    if not pid:
        recorded.prefault()
        before = own()
        for page in changed:
            shared[page * SIZE] = ord("y")
        print(json.dumps([before, own()]), flush=True)
        recorded.record()
        os._exit(0 if bytes(shared).count(b"y") == len(changed) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def children(file: Path) -> list[list[list[int]]]:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, file], capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_what_one_child_has_changed_the_next_one_has_copied_before_and_nothing_else(tmp_path: Path) -> None:
    assert children(tmp_path / "recorded") == [[[], [3, 4, 40]], [[3, 4, 40], [3, 4, 40, 50]]]


def test_a_file_that_can_never_be_written_hinders_no_child(tmp_path: Path) -> None:
    (tmp_path / "recorded").mkdir()
    assert children(tmp_path / "recorded") == [[[], [3, 4, 40]], [[], [50]]]


def test_only_the_pages_that_a_call_has_changed_are_recorded(tmp_path: Path) -> None:
    recorded = tmp_path / "recorded"
    children(recorded)
    # What a whole interpreter changes beside its 3 pages; all it has is 10 MB.
    assert 3 <= sum(memoryview(recorded.read_bytes()).cast("Q")[1::2]) / 4096 < 2000


def test_only_mappings_of_its_own_that_can_be_written_to_are_looked_at() -> None:
    assert prefault.writable(MAPS) == ((0x55D000000000, 0x55D000021000), (0x7F0000002000, 0x7F0000003000))
