"""None as livekit-agents' NOT_GIVEN."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from livekit.agents import NotGivenOr

T = TypeVar("T")


def or_not_given(value: T | None) -> NotGivenOr[T]:
    """Return the value, or NOT_GIVEN for None, which lets the plugin use its own default."""
    # Importing livekit-agents takes seconds, which validation alone must not cost.
    from livekit.agents import NOT_GIVEN  # noqa: PLC0415

    return NOT_GIVEN if value is None else value
