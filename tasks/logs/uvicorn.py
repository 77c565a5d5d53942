"""uvicorn's own loggers, as lines of the log. It has set them up, for a terminal, before it loads the app."""

from __future__ import annotations

import logging
from typing import Any

ACCESS = "uvicorn.access"
_ACCESS_ARGUMENTS = 5


def redirect() -> None:
    """Have uvicorn's loggers write where all others do, at the same level. `--no-access-log` stays in effect."""
    for name in ("uvicorn", "uvicorn.error", ACCESS, "uvicorn.asgi"):
        logger = logging.getLogger(name)
        if name == ACCESS and not logger.handlers and not logger.propagate:
            continue
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


def request_of(record: logging.LogRecord) -> tuple[str, dict[str, Any]] | None:
    """Return a line of uvicorn's access log as a static message and its fields, without the query; else None."""
    arguments = record.args
    if record.name != ACCESS or not isinstance(arguments, tuple) or len(arguments) != _ACCESS_ARGUMENTS:
        return None
    client, method, path, _, status = arguments
    return "request answered", {
        "method": method,
        "path": str(path).partition("?")[0],
        "status": status,
        "client": client,
    }
