"""The death signal: the kernel kills a process when its parent ends (prctl's PR_SET_PDEATHSIG).

A sidecar ignores SIGTERM and waits for requests for ever, so without it one would outlive a worker that was killed.
Celery's children have it from Celery, through cffi wherever that is imported, with a parser that each child would load
anew: 6 MB and 30 ms. `install` has them use this one instead.

The processes of an agent do not have it: the kernel sends it when the thread that has started them ends.
"""

from __future__ import annotations

import ctypes
import os
import signal

from celery import platforms

_PR_SET_PDEATHSIG = 1
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


def install() -> None:
    """Have Celery's children use `request`. Called in the process that forks them."""
    parent = os.getpid()
    platforms.set_pdeathsig = lambda _: request(parent)


def request(parent: int) -> None:
    """Have the kernel kill this process when its parent ends. Does nothing where the kernel cannot (not Linux)."""
    if _prctl is None:
        return
    _prctl(_PR_SET_PDEATHSIG, ctypes.c_int(signal.SIGKILL))
    if os.getppid() != parent:
        # It has ended before that.
        os._exit(os.EX_UNAVAILABLE)
