"""The temporary folder of a call, in the worker's own: what Python's tempfile and the agent's programs use.

livekit-agents' JobContext makes a folder for each job and removes it when the job ends; of a child that was killed it
would stay for ever. The child that takes its place removes it, so the main process need not, which must not block.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import psutil

CALLS = "calls"
"""Short, as sockets are made below it, and the path of one has at most 107 bytes."""


def enter(worker_folder: Path) -> None:
    """Give this process, a fresh child, a folder of its own, and remove those of children that have ended."""
    calls = worker_folder / CALLS
    calls.mkdir(exist_ok=True)
    for folder in calls.iterdir():
        if not psutil.pid_exists(int(folder.name)):
            # Another fresh child may do the same.
            shutil.rmtree(folder, ignore_errors=True)
    own = calls / str(os.getpid())
    own.mkdir(exist_ok=True)
    tempfile.tempdir = os.environ["TMPDIR"] = str(own)
