"""The call's entry in `ctx.proc.userdata`: what its agent may read, and where the agent leaves its failures."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.conversation import Conversation
from pipeline.failure_log import FailureLog
from pipeline.options import VoiceAgentOptions

USERDATA_KEY = "switchboard"
"""The key of the CallUserdata in `ctx.proc.userdata`. Documented in docs/howto/agents.md for users' own agents."""


@dataclass(frozen=True, slots=True)
class CallUserdata:
    """Input of an agent, and its one output, `failures`.

    `voice`: the tenant's options for Switchboard's own voice agent. `conversation`: of earlier attempts, or a new one;
    for every agent. `announced_at`: see `CallOptions`. `recorded`: the audio or the transcript is, so that an agent can
    say so.
    """

    voice: VoiceAgentOptions
    conversation: Conversation = field(default_factory=Conversation)
    announced_at: float | None = None
    recorded: bool = False
    failures: FailureLog = field(default_factory=FailureLog)
