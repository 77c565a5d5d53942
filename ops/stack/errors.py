"""Errors of starting a stack. The docstring of each is its message."""

from __future__ import annotations


class StackError(Exception):
    """The stack did not start."""

    def __init__(self, **fields: object) -> None:
        template = " ".join((type(self).__doc__ or "").split())
        super().__init__(template.format(**fields))


class ProcessDied(StackError):
    """{name} exited with {returncode} before it was ready.

    Its log, {log}, ends with:{tail}
    """


class ProcessNotReady(StackError):
    """{name} was not ready within {seconds:.0f} s.

    Its log, {log}, ends with:{tail}
    """


class NoFreePort(StackError):
    """None of {tried} ports between {low} and {high} on {host} was free. Stop what listens there and try again."""
