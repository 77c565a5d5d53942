"""The result of an attempt, in a few words for the log and for Flower, and the state in which its task ends."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class TaskEnd(StrEnum):
    """The end of a task, by Celery's words. Another attempt goes on with a call whose task is RETRIED.

    SUCCEEDED: the call ended, or was handed over. RETRIED: the call was lost and its room is queued again.
    FAILED: nobody goes on with it.
    """

    SUCCEEDED = "succeeded"
    RETRIED = "retried"
    FAILED = "failed"


class Result(str):
    """The result in a few words. `shown`: what Flower shows, with the reason."""

    __slots__ = ("end", "shown")
    end: TaskEnd
    shown: str

    def __new__(cls, words: str, end: TaskEnd, shown: str = "") -> Self:
        """Return the result; Flower shows its words if there is nothing more to show."""
        result = super().__new__(cls, words)
        result.end, result.shown = end, shown or words
        return result
