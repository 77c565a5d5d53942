"""The result of one call of a probe: its steps in seconds, and why it failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Step(StrEnum):
    """The steps of a call, in their order, and the seconds that are measured for each.

    ROOM: to have the room created. CONNECT: to join it. AGENT, FIRST_WORD: from then until the caller sees the agent,
    and hears it. ANSWER: from the end of the question until the agent is heard again. END: to hang up, until the call
    is over in Redis.
    """

    ROOM = "room"
    CONNECT = "connect"
    AGENT = "agent"
    FIRST_WORD = "first_word"
    ANSWER = "answer"
    END = "end"


class ProbeFailed(Exception):
    """A step of the call failed. The message is for the operator."""


@dataclass(slots=True)
class ProbeResult:
    """The result, complete when the call is over. `problem`: why it failed, or None.

    `heard_in`: `audio` or `transcription`, in which the expected words were found. `asked_again`: the question had to
    be repeated. `on_step` is called with each step.
    """

    tenant: str
    on_step: Callable[[Step, float], None] = field(repr=False)
    room: str = ""
    sid: str = ""
    steps: dict[Step, float] = field(default_factory=dict)
    problem: str | None = None
    agent_said: list[str] = field(default_factory=list)
    heard_in: str | None = None
    asked_again: bool = False

    @property
    def success(self) -> bool:
        """True if every step went well."""
        return self.problem is None

    def add(self, step: Step, seconds: float) -> None:
        """Add a step that went well."""
        self.steps[step] = seconds
        self.on_step(step, seconds)

    def as_object(self) -> dict[str, Any]:
        """Return it for JSON."""
        fields = asdict(self)
        del fields["on_step"]
        steps = {step.value: round(seconds, 3) for step, seconds in self.steps.items()}
        return {**fields, "success": self.success, "steps": steps}
