"""What the kernel is told of this process's memory."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

# Of linux/mman.h.
DONTNEED = 4
POPULATE_WRITE = 23


def give(advice: int, ranges: Iterable[tuple[int, int]]) -> None:
    """Of each range, by its begin and its size in bytes. What is not mapped is passed over, as is unknown advice."""
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for begin, size in ranges:
        madvise(begin, size, advice)
