"""The death signal: the kernel kills a process when its parent ends (prctl's PR_SET_PDEATHSIG).

A sidecar ignores SIGTERM and waits for requests for ever, so without it one would outlive a worker that was killed.
Celery's children have it from Celery, through cffi wherever that is imported, with a parser that each child would load
anew: 6 MB and 30 ms. `install` has them use this one instead.
"""

from __future__ import annotations

import ctypes
import signal

from celery import platforms

_PR_SET_PDEATHSIG = 1
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


def install() -> None:
    """Have Celery's children use `request`."""
    platforms.set_pdeathsig = lambda _: request()


def request() -> None:
    """Have the kernel kill this process when its parent ends. Does nothing where the kernel cannot (not Linux)."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, ctypes.c_int(signal.SIGKILL))
