"""Between our `None` and livekit-agents' `NOT_GIVEN`."""

from __future__ import annotations

from typing import TypeVar

from livekit.agents import NOT_GIVEN, NotGivenOr

T = TypeVar("T")


def given(value: T | None) -> NotGivenOr[T]:
    """The value, or what livekit-agents calls its absence, so that the plugin's own default holds."""
    return NOT_GIVEN if value is None else value
