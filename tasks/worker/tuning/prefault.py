"""Prefaulting of the copy-on-write pages that a call is going to write to.

A child shares the memory of the worker's main process until it writes to a page, which is then copied: in a call some
7000 times one page, at 3 us each, half of them on the way to the first word. All children begin with the same memory
and do the same with it. So the first call of a worker records which pages it has copied, and each later child has them
copied while it is idle, in one go. The memory is the same that the call would take anyway, only earlier.
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
"""An agent whose calls write to more than this is left to copy its pages when it needs them."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
# Linux' Documentation/admin-guide/mm/pagemap.rst: present in memory, and exclusively mapped.
_OWN = 1 << 63 | 1 << 56
_WRITABLE = re.compile(r"(?P<begin>[0-9a-f]+)-(?P<end>[0-9a-f]+) rw-p ")

Mappings = tuple[tuple[int, int], ...]
"""Begin and end of each mapping."""


class Prefault:
    """The recorded pages of a worker, in a file that its children write and read. Made before the first fork."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._inherited: Mappings = ()

    def prefault(self) -> None:
        """Copy the recorded pages, in a fresh child. Does nothing before a call has recorded them, or Linux 5.14."""
        ranges = array("Q")
        try:
            ranges.frombytes(self._file.read_bytes())
        except OSError:
            # This child's call may be the one that records them.
            self._inherited = _writable_mappings()
            return
        began = time.monotonic()
        madvise.advise(madvise.POPULATE_WRITE, zip(ranges[::2], ranges[1::2], strict=True))
        seconds = round(time.monotonic() - began, 4)
        logger.debug("pages prefaulted", extra={"megabytes": round(sum(ranges[1::2]) / 1e6, 1), "seconds": seconds})

    def record(self) -> None:
        """Record the pages that this child has copied, after its call, unless another child has done it."""
        if self._file.exists():
            return
        try:
            ranges = own_pages(self._inherited)
        except OSError:
            return
        if sum(ranges[1::2]) > LIMIT_BYTES:
            return
        partial = self._file.with_suffix(f".{os.getpid()}")
        partial.write_bytes(ranges.tobytes())
        partial.replace(self._file)


def writable(maps: str) -> Mappings:
    """Return the private, writable mappings of a /proc/<pid>/maps: those whose pages are copied on a write."""
    found = map(_WRITABLE.match, maps.splitlines())
    return tuple((int(line["begin"], 16), int(line["end"], 16)) for line in found if line)


def own_pages(mappings: Mappings) -> array[int]:
    """Return begin and size, one after the other, of the ranges in which this process has its own pages.

    Raises OSError.
    """
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


def _writable_mappings() -> Mappings:
    try:
        return writable(Path("/proc/self/maps").read_text("utf-8", errors="replace"))
    except OSError:
        return ()
