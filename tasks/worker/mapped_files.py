"""The pages of libraries and models that the worker has read to get ready, and that nobody reads again.

Most of it is the packed weights of the end-of-turn model: 33 MB, which are unpacked into memory of their own. A page
that is read again after all comes back from the page cache.
"""

from __future__ import annotations

import re
from pathlib import Path

from tasks.worker.tuning import madvise

_HEAD = re.compile(r"(?P<begin>[0-9a-f]+)-(?P<end>[0-9a-f]+) (?P<rights>\S+) \S+ \S+ \d+ +/")
_ANONYMOUS = re.compile(r"Anonymous: +(?P<kilobytes>\d+) kB")


def let_go() -> None:
    """Unmap the pages, not the files. Linux only: elsewhere nothing happens."""
    try:
        lines = Path("/proc/self/smaps").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return
    madvise.give(madvise.DONTNEED, ((begin, end - begin) for begin, end in unchanged(lines)))


def unchanged(smaps: list[str]) -> list[tuple[int, int]]:
    """The mappings of files that cannot be written to, and never were: what was relocated would be lost."""
    found: list[tuple[int, int]] = []
    mapping: tuple[int, int] | None = None
    for line in smaps:
        if line[0] in "0123456789abcdef":
            head = _HEAD.match(line)
            readable = head is not None and head["rights"].startswith("r-")
            mapping = (int(head["begin"], 16), int(head["end"], 16)) if head and readable else None
        elif mapping is not None and (pages := _ANONYMOUS.match(line)) and pages["kilobytes"] == "0":
            found.append(mapping)
    return found
