"""The row of a task in Flower's list, in which a call can be read without opening it.

The message of a room has its name as `args`. What Flower searches is not changed by what is shown, so tenant, tier and
attempt are written as they are searched for: `kwargs:tenant=acme`.
"""

from __future__ import annotations

import ast
from typing import Any

ROOM = "room"
"""In `kwargs` too, where it can be searched for exactly. It is shown once."""


def format_task(task: Any) -> Any:
    """Return Flower's copy of a task with readable `kwargs` and `result`. What is not ours stays as it is."""
    shown = _literal(task.kwargs)
    if isinstance(shown, dict):
        task.kwargs = " ".join(f"{name}={value}" for name, value in shown.items() if name != ROOM)
    # Celery has the repr of what a task returns.
    result = _literal(task.result)
    if isinstance(result, str):
        task.result = result
    return task


def _literal(text: object) -> object:
    try:
        return ast.literal_eval(text) if isinstance(text, str) else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
