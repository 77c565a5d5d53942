"""The pages that a call changes, copied before it comes.

A child shares the memory of the worker's main process until it writes to a page, which is then copied: for a call some
7000 times one page, at 3 us each, half of them on the way to the first word. All children begin with the same memory
and do the same with it, so the first call of a worker tells which pages they are, and each later child has them copied
while it is idle, in one go. It has them then as it would have had them in its call anyway.
"""

from __future__ import annotations

import logging
import os
import re
import time
from array import array
from pathlib import Path

from tasks.worker.tuning import madvise

logger = logging.getLogger("switchboard.tasks.worker")

LIMIT_BYTES = 64 * 1024 * 1024
"""An agent whose calls change more than this copies it itself, when it needs it."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
# Linux' Documentation/admin-guide/mm/pagemap.rst: in memory, and of this process alone.
_OWN = 1 << 63 | 1 << 56
_WRITABLE = re.compile(r"(?P<begin>[0-9a-f]+)-(?P<end>[0-9a-f]+) rw-p ")


class _Copies:
    learned: Path | None = None
    inherited: tuple[tuple[int, int], ...] = ()


def share(learned: Path) -> None:
    """In the worker: its children keep in this file what they learn."""
    _Copies.learned = learned


def make() -> None:
    """In a fresh child: copy the pages, if a call has told which they are. Before Linux 5.14 nothing happens."""
    if _Copies.learned is None:
        return
    ranges = array("Q")
    try:
        ranges.frombytes(_Copies.learned.read_bytes())
    except OSError:
        # Not yet: this child may be the one who tells.
        _Copies.inherited = _inherited()
        return
    began = time.monotonic()
    madvise.give(madvise.POPULATE_WRITE, zip(ranges[::2], ranges[1::2], strict=True))
    seconds = round(time.monotonic() - began, 4)
    logger.debug("pages copied ahead", extra={"megabytes": round(sum(ranges[1::2]) / 1e6, 1), "seconds": seconds})


def learn() -> None:
    """In a child whose call is over: tell the next ones, unless they know."""
    learned = _Copies.learned
    if learned is None or learned.exists():
        return
    try:
        ranges = own_pages(_Copies.inherited)
    except OSError:
        return
    if sum(ranges[1::2]) > LIMIT_BYTES:
        return
    partial = learned.with_suffix(f".{os.getpid()}")
    partial.write_bytes(ranges.tobytes())
    partial.replace(learned)


def writable(maps: str) -> tuple[tuple[int, int], ...]:
    """Begin and end of the mappings that a process writes to, and whose pages are then its own."""
    found = map(_WRITABLE.match, maps.splitlines())
    return tuple((int(line["begin"], 16), int(line["end"], 16)) for line in found if line)


def own_pages(mappings: tuple[tuple[int, int], ...]) -> array[int]:
    """Begin and size, one after the other, of what this process has of its own in these. Raises OSError."""
    ranges = array("Q")
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        for begin, end in mappings:
            pagemap.seek(begin // _PAGE * 8)
            pages = array("Q", pagemap.read((end - begin) // _PAGE * 8))
            for number, page in enumerate(pages):
                if page & _OWN != _OWN:
                    continue
                at = begin + number * _PAGE
                if ranges and ranges[-2] + ranges[-1] == at:
                    ranges[-1] += _PAGE
                else:
                    ranges.extend((at, _PAGE))
    return ranges


def _inherited() -> tuple[tuple[int, int], ...]:
    try:
        return writable(Path("/proc/self/maps").read_text("utf-8", errors="replace"))
    except OSError:
        return ()
