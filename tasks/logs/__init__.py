"""Logs: one JSON object a line, on stderr, of every process. Messages are static; what varies is in fields.

    format     a record as a line: the common fields, and what is left out of it
    fields     the fields that all lines of a process, or of a request, have in common
    streams    `print`, warnings and uncaught exceptions, as lines of the log
    uvicorn    uvicorn's own loggers, as lines of the log

Fields that may name a room or a person are left out above DEBUG, also from what libraries log.

Not JSON, because nothing of Python's runs then: the stacks that faulthandler writes when it ends a process. And what a
process says to the person who starts it, when it refuses to: a line for each setting that is not usable.
"""

from __future__ import annotations

import logging
import sys

from tasks.logs import streams, uvicorn
from tasks.logs.fields import add_fields, set_request_fields
from tasks.logs.format import JsonFormatter

__all__ = ["JsonFormatter", "add_fields", "set_request_fields", "set_up"]

# At INFO these libraries log each call's participants, or each request's address.
_QUIET = ("livekit", "livekit.agents", "httpx", "httpx2", "kombu", "amqp")


def set_up(level: str, process: str = "") -> None:
    """Log to stderr from `level` on.

    `process`: the kind of this process, for a program without a terminal: what it prints is logged then, too.
    """
    handler = streams.LogHandler(sys.__stderr__ if process else sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    if root.level > logging.DEBUG:
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)
    if process:
        add_fields(process=process)
        streams.redirect()
        uvicorn.redirect()
