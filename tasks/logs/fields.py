"""The fields that all lines of a process have in common, and those of a request.

A child has one call, so the call's fields are the process': lines of other threads and of libraries have them, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

_of_process: dict[str, Any] = {}
_of_request: ContextVar[Mapping[str, Any] | None] = ContextVar("request_fields", default=None)


def add_fields(**fields: Any) -> None:
    """Add fields to all later lines of this process. A process that is forked from it has them, too."""
    _of_process.update(fields)


def set_request_fields(**fields: Any) -> None:
    """Add fields to the lines that are logged in this context, and in the tasks that are started in it.

    Each request of a receiver has a context of its own. They stay to its end, so that uvicorn's lines have them, too.
    """
    _of_request.set({**(_of_request.get() or {}), **fields})


def common_fields() -> dict[str, Any]:
    """Return the fields of a line that is logged here and now."""
    return {**_of_process, **(_of_request.get() or {})}
