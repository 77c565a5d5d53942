"""The events of a call, as its timeline shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The kind of an event."""

    STEP = "step"
    ATTEMPT = "attempt"
    CALLER = "caller"
    AGENT = "agent"
    TOOL = "tool"
    NOTE = "note"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Latency:
    """A part of the time until a reply: `name` as an operator reads it."""

    name: str
    ms: float


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `at_ms`: unix ms. `text`: what it was, or what was said; "" if that is not to be seen.

    `detail`: more of it, in small. `latencies`: of a reply its parts, in the order in which they come.
    `reply_ms`: of a reply, from the end of the caller's speech to the agent's first audio.
    """

    at_ms: float
    kind: Kind
    text: str
    detail: str = ""
    attempt: int = 0
    interrupted: bool = False
    confidence: float | None = None
    reply_ms: float | None = None
    latencies: tuple[Latency, ...] = ()
    end_ms: float | None = field(default=None, compare=False)
    """When what was said had been said."""
