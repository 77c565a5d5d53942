"""Errors of a caller. The docstring of each is its message."""

from __future__ import annotations


class CallError(Exception):
    """The call failed."""

    def __init__(self, **fields: object) -> None:
        template = " ".join((type(self).__doc__ or "").split())
        super().__init__(template.format(**fields))


class NoAnswer(CallError):
    """Waited {seconds:.0f} s for {what}, in vain."""


class CallEnded(CallError):
    """The call ended while the caller waited for {what}."""
