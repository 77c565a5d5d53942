"""The row of a task in Flower's list, in which a call can be read without opening it.

What Flower searches is not changed by it. So the room, tenant, tier and attempt are written as they are searched for:
`kwargs:tenant=acme`.
"""

from __future__ import annotations

import ast
from typing import Any


def format_task(task: Any) -> Any:
    """Return Flower's copy of a task with readable `kwargs` and `result`. What is not ours stays as it is."""
    shown = _literal(task.kwargs)
    if isinstance(shown, dict):
        task.kwargs = " ".join(f"{name}={value}" for name, value in shown.items())
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
