"""A finding of a check: that something is right, or what is wrong, and the cure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The state of what was checked. NOT_CHECKED: the check could not run."""

    OK = "ok"
    NOT_CHECKED = "not checked"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `text`: a statement. `cure`: what to do about it, or where to look; "" if it is right."""

    state: State
    text: str
    cure: str = ""


class NotChecked(Exception):
    """Raised by a check that cannot run. It says why, and what would let it run."""

    def __init__(self, reason: str, cure: str = "") -> None:
        super().__init__(reason)
        self.finding = Finding(State.NOT_CHECKED, reason, cure)


def ok(text: str) -> Finding:
    """Return a finding that something is right."""
    return Finding(State.OK, text)


def warning(text: str, cure: str) -> Finding:
    """Return a finding that calls are answered all the same, for now."""
    return Finding(State.WARNING, text, cure)


def error(text: str, cure: str) -> Finding:
    """Return a finding that keeps calls from being answered, or will, or loses what is to be kept of them."""
    return Finding(State.ERROR, text, cure)
