"""The error of the set-up."""

from __future__ import annotations


class SetupError(Exception):
    """A program that the demo and the tests need is missing. The message names it and the cure."""
