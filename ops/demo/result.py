"""The result of one call of the demo."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CallResult:
    """The result of one call.

    `ms`: step or milestone -> milliseconds since the room was started, in their order.
    `agent_heard`: the agent's recognition of the caller. `agent_said`: the agent's own transcript of its speech.
    `caller_heard`: the caller's recognition of the audio that it received.
    `silenced_ms`: how long the interrupted agent went on speaking, from the caller's first sound on.
    `problem`: why the call failed; None if it succeeded.
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
        """Return the object that `--json` prints."""
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
