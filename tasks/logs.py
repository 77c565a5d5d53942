"""Logs: one JSON object a line, on stderr. Messages are static; what varies is in fields.

Fields that may name a room or a person are left out above DEBUG, also from what libraries log.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PERSONAL = ("room", "participant", "identity", "transcript", "text", "metadata", "kwargs", "args", "data")

# At INFO these libraries log each call's participants, or each request's address.
_QUIET = ("livekit", "livekit.agents", "httpx", "kombu", "amqp")


class JsonFormatter(logging.Formatter):
    """A formatter for JSON: `at`, `level`, `logger`, `message`, the fields, and `error` with an exception's trace."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        private = record.levelno > logging.DEBUG
        for name, value in vars(record).items():
            if name in _STANDARD or (private and any(word in name for word in _PERSONAL)):
                continue
            line[name] = value
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up(level: str) -> None:
    """Log to stderr from `level` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    if root.level > logging.DEBUG:
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)
