"""What was said in a call so far, so that the agent of the next attempt can go on with it.

Every agent finds it in `ctx.proc.userdata[CONVERSATION]`: the one of an earlier attempt, or an empty one. The call
keeps it up to date from the agent's session, whoever wrote the agent; `state` is the agent's own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Self

from livekit.agents import ChatContext

CONVERSATION = "switchboard.conversation"
"""Where in `ctx.proc.userdata` the Conversation is."""


@dataclass(slots=True)
class Conversation:
    """`history`: what earlier attempts have said and heard. `state`: what the agent wants to find again; JSON.

    `resumed`: the call goes on; there is a caller who has been greeted already. `handed_over`: between two turns, so
    that the caller has noticed nothing.
    """

    history: ChatContext = field(default_factory=ChatContext.empty)
    state: dict[str, Any] = field(default_factory=dict)
    resumed: bool = False
    handed_over: bool = False

    @property
    def unanswered(self) -> bool:
        """Whether the last words are the caller's."""
        messages = [message for message in self.history.messages() if message.role in {"user", "assistant"}]
        return bool(messages) and messages[-1].role == "user"

    def to_json(self, since: ChatContext | None = None) -> str:
        """The conversation, with what this attempt has added in its session's history `since`."""
        whole = ChatContext([*self.history.items, *([] if since is None else since.items)])
        # Instructions and hand-offs between agents belong to the attempt that made them.
        said = whole.copy(exclude_instructions=True, exclude_handoff=True, exclude_config_update=True)
        kept = said.to_dict(exclude_timestamp=False, exclude_metrics=True)
        return json.dumps({"history": kept, "state": self.state}, default=str)

    @classmethod
    def from_json(cls, text: str, *, handed_over: bool) -> Self:
        """The inverse of `to_json`. Raises ValueError."""
        try:
            content = json.loads(text)
            history, state = ChatContext.from_dict(content["history"]), dict(content["state"])
        except (KeyError, TypeError) as error:
            raise ValueError("it is JSON, but no conversation") from error
        return cls(history, state, resumed=True, handed_over=handed_over)
