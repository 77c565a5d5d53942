"""The end of a process that has been a caller."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def exit_process(status: int) -> NoReturn:
    """End the process with this status, as `sys.exit` does, but without finalizing Python.

    On a busy host a thread of WebRTC may report an event meanwhile. Python would end that thread inside of Rust code,
    which aborts the process: a call that went well would end with SIGABRT. Functions of `atexit` do not run.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        # A pipe that nobody reads any more.
        with suppress(OSError):
            stream.flush()
    os._exit(status)
