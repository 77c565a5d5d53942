"""What ends a child when its worker's main process is gone.

Celery sets it through cffi wherever that is imported, with a parser that each child would load anew: 6 MB and 30 ms.
"""

from __future__ import annotations

import ctypes
import signal

from celery import platforms

_SET = 1
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


def install() -> None:
    """Have Celery's children use `request`, which does the same."""
    platforms.set_pdeathsig = lambda _: request()


def request() -> None:
    """Have the kernel kill this process when its parent dies. Where it cannot (not Linux) nothing happens."""
    if _prctl is not None:
        _prctl(_SET, ctypes.c_int(signal.SIGKILL))
