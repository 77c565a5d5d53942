"""The conversation of a call so far, with which the agent of the next attempt goes on.

Every agent has it in its `CallUserdata`: the one of earlier attempts, or an empty one. The call keeps it up to date
from the session of any agent; `state` is the agent's own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Self

from livekit.agents import ChatContext


@dataclass(slots=True)
class Conversation:
    """The conversation of earlier attempts.

    `history`: its messages and function calls. `state`: the agent's own data, JSON. `resumed`: there was an earlier
    attempt, so the caller has been greeted already. `handed_over`: that attempt ended between two turns, so the caller
    has not noticed it.
    """

    history: ChatContext = field(default_factory=ChatContext.empty)
    state: dict[str, Any] = field(default_factory=dict)
    resumed: bool = False
    handed_over: bool = False

    @property
    def unanswered(self) -> bool:
        """True if the last message is the caller's."""
        messages = [message for message in self.history.messages() if message.role in {"user", "assistant"}]
        return bool(messages) and messages[-1].role == "user"

    def to_json(self, since: ChatContext | None = None) -> str:
        """Return the conversation as JSON, with what this attempt has added: its session's history `since`."""
        whole = ChatContext([*self.history.items, *([] if since is None else since.items)])
        # Instructions and hand-offs between agents belong to the attempt that made them.
        shared = whole.copy(exclude_instructions=True, exclude_handoff=True, exclude_config_update=True)
        history = shared.to_dict(exclude_timestamp=False, exclude_metrics=True)
        return json.dumps({"history": history, "state": self.state}, default=str)

    @classmethod
    def from_json(cls, text: str, *, handed_over: bool) -> Self:
        """Read what `to_json` has written. Raises ValueError."""
        try:
            content = json.loads(text)
            history, state = ChatContext.from_dict(content["history"]), dict(content["state"])
        except (KeyError, TypeError) as error:
            raise ValueError("it is JSON, but no conversation") from error
        return cls(history, state, resumed=True, handed_over=handed_over)
