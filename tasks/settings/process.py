"""This process: its name for operators and other processes, and the time by its host's clock."""

from __future__ import annotations

import os
import socket
import time


def process_name() -> str:
    """Return host and pid, as `host-1:4711`. Containers may share one, so it tells processes apart for readers only."""
    return f"{socket.gethostname()}:{os.getpid()}"


def now_ms() -> int:
    """Return the time by this host's clock, in unix ms. What decides about rooms is Redis' own clock."""
    return time.time_ns() // 1_000_000
