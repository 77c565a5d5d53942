"""The kernel's madvise: what a process is going to do with ranges of its memory."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

POPULATE_WRITE = 23
"""MADV_POPULATE_WRITE of linux/mman.h: fault the pages in as a write would. Since Linux 5.14."""


def advise(advice: int, ranges: Iterable[tuple[int, int]]) -> None:
    """Give the advice for each range, by its begin and its size in bytes.

    A range that is not mapped is skipped, and so is advice that this kernel does not know.
    """
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for begin, size in ranges:
        madvise(begin, size, advice)
