"""Between our `None` and livekit-agents' `NOT_GIVEN`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from livekit.agents import NotGivenOr

T = TypeVar("T")


def given(value: T | None) -> NotGivenOr[T]:
    """The value, or what livekit-agents calls its absence, so that the plugin's own default holds."""
    # Importing it takes seconds, which the modules that use this must not cost who only checks options.
    from livekit.agents import NOT_GIVEN  # noqa: PLC0415

    return NOT_GIVEN if value is None else value
