"""What a worker lets go of is what it has only read; it goes on with all that was changed in memory."""

from __future__ import annotations

import mmap
import subprocess
import sys
from pathlib import Path

from tasks.worker import mapped_files

SMAPS = """\
7f0000000000-7f0000002000 r--p 00000000 08:01 1 /lib/read.so
Rss:                   8 kB
Anonymous:             0 kB
7f0000002000-7f0000003000 r--p 00002000 08:01 1 /lib/relocated.so
Anonymous:             4 kB
7f0000003000-7f0000004000 rw-p 00003000 08:01 1 /lib/written.so
Anonymous:             0 kB
7f0000004000-7f0000005000 r--p 00000000 00:00 0
Anonymous:             0 kB
7f0000005000-7f0000006000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
7f0000006000-7f0000007000 r-xp 00000000 08:01 1 /lib/with a space.so (deleted)
Anonymous:             0 kB
"""


def test_only_mappings_that_were_never_changed_are_let_go() -> None:
    assert mapped_files.unchanged(SMAPS.splitlines()) == [
        (0x7F0000000000, 0x7F0000002000),
        (0x7F0000006000, 0x7F0000007000),
    ]


def test_what_was_let_go_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"weights" * 10000)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[:] == file.read_bytes()
        assert resident(file) > 0
        mapped_files.let_go()
        assert resident(file) == 0
        assert mapped[:] == file.read_bytes()


def test_a_process_with_many_libraries_goes_on() -> None:
    program = (
        "import ssl, ctypes, numpy, av; from tasks.worker import mapped_files; mapped_files.let_go(); import sqlite3"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def resident(file: Path) -> int:
    """How much of it this process has mapped, in kB."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    for line in lines:
        if line.endswith(str(file)):
            return next(int(field.split()[1]) for field in lines if field.startswith("Rss:"))
    return 0
