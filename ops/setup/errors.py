"""Why a server cannot be had on this machine."""

from __future__ import annotations


class SetupError(Exception):
    """Something that the demo and the tests need is missing. The message names it, and what to do about it."""
