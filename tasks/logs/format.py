"""The format of a line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from tasks.logs import uvicorn
from tasks.logs.fields import common_fields

# `color_message` is uvicorn's message once more, for terminals.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_PERSONAL = ("room", "participant", "identity", "transcript", "text", "metadata", "kwargs", "args", "data")


class JsonFormatter(logging.Formatter):
    """A formatter for JSON: the common fields, those of the record, and `error` with an exception's trace.

    Common to all lines: `at`, `level`, `logger`, `message`, `process_id`, and what `add_fields` has added.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        message, fields = uvicorn.request_of(record) or (record.getMessage(), {})
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": message,
            "process_id": record.process,
            **common_fields(),
            **fields,
        }
        private = record.levelno > logging.DEBUG
        for name, value in vars(record).items():
            if name in _STANDARD or (private and any(word in name for word in _PERSONAL)):
                continue
            line[name] = value
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, default=str)
