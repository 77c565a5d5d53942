"""What came of one call."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CallResult:
    """One call. `ms`: step -> milliseconds since the room was started, by both sides' clocks, in that order.

    `agent_heard` is the agent's recognition of the caller, `agent_said` its own account of what it said, and
    `caller_heard` the caller's recognition of the audio that it received. `silenced_ms` is how long after the caller's
    first sound the interrupted agent was still to be heard. `problem` says why the call was no success.
    """

    room: str
    tenant: str
    tier: str = ""
    queue: str = ""
    worker: str = ""
    caller_said: tuple[str, ...] = ()
    agent_heard: tuple[str, ...] = ()
    agent_said: tuple[str, ...] = ()
    caller_heard: tuple[str, ...] = ()
    recording: Path | None = None
    ms: dict[str, int] = field(default_factory=dict)
    silenced_ms: int | None = None
    problem: str | None = None

    def as_object(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "room": self.room,
            "tenant": self.tenant,
            "tier": self.tier,
            "queue": self.queue,
            "worker": self.worker,
            "caller_said": list(self.caller_said),
            "agent_heard": list(self.agent_heard),
            "agent_said": list(self.agent_said),
            "caller_heard": list(self.caller_heard),
            "recording": str(self.recording) if self.recording else None,
            "ms": self.ms,
            "silenced_ms": self.silenced_ms,
            "problem": self.problem,
        }
