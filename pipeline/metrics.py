"""Metrics of a call: the turns of its conversation, and the usage of its models, for any agent.

They come from the events of the agent's sessions. A reply takes from the end of the caller's speech to the first audio
of the agent, and is known when it has been said. livekit-agents puts that time on the message (`e2e_latency`), but only
if its language model has made it. For one that the agent says itself, and for an agent without a language model, whose
callers' messages are not in the conversation either, it is the time since the caller was heard to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from livekit.agents import (
    AgentFalseInterruptionEvent,
    AgentSession,
    ConversationItemAddedEvent,
    SessionUsageUpdatedEvent,
    UserStateChangedEvent,
)
from livekit.agents.llm import ChatMessage
from livekit.agents.metrics import ModelUsage

Session = AgentSession[Any]
Key = tuple[str, str, str]
"""Type of usage, provider, model."""

MOST_REPLIES = 500
"""Reply times that are kept of a call, the first ones. Turns after them are counted all the same."""
LATEST_SECONDS = 60.0
"""An agent that speaks later than this does so of its own accord, or a stamp is wrong."""


class CallMetrics:
    """The metrics of one attempt's sessions, all together. `on_changed` is called when they have changed."""

    def __init__(self, on_changed: Callable[[], None]) -> None:
        self._on_changed = on_changed
        self._sessions: dict[Session, tuple[_Turns, _Usage]] = {}

    def watch(self, session: Session) -> None:
        """Measure a session from now on, unless that is done already."""
        if session not in self._sessions:
            self._sessions[session] = _Turns(session, self._on_changed), _Usage(session, self._on_changed)

    def turns(self) -> dict[str, Any]:
        """Return the number of the caller's turns and of interrupted replies, and the reply times in ms."""
        turns = [turns for turns, _ in self._sessions.values()]
        return {
            "replies_ms": [ms for each in turns for ms in each.replies_ms][:MOST_REPLIES],
            "interruptions": sum(each.interruptions for each in turns),
            "turns": sum(each.turns for each in turns),
        }

    def usage(self) -> list[dict[str, Any]]:
        """Return an entry for each provider and model, as livekit-agents counts it, of all sessions together.

        Counts of zero are left out: most are, and a record would be twice as long.
        """
        total: dict[Key, dict[str, Any]] = {}
        for _, usage in self._sessions.values():
            for entry in usage.entries():
                _add(total, entry)
        return [
            {
                name: round(value, 3) if isinstance(value, float) else value
                for name, value in entry.items()
                if value != 0
            }
            for entry in total.values()
        ]


class _Turns:
    """The turns of one session."""

    def __init__(self, session: Session, on_changed: Callable[[], None]) -> None:
        self.turns = 0
        self.interruptions = 0
        self.replies_ms: list[int] = []
        self._session = session
        self._on_changed = on_changed
        self._stopped_at: float | None = None
        """The end of the caller's speech that waits for a reply, unix seconds."""
        self._counted = False
        session.on("user_state_changed", self._on_user_state)
        session.on("agent_false_interruption", self._on_false_interruption)
        session.on("conversation_item_added", self._on_item)

    def _on_user_state(self, event: UserStateChangedEvent) -> None:
        # Somebody who speaks while the agent goes on speaking waits for no reply.
        if event.old_state == "speaking" and self._session.agent_state != "speaking":
            self._stopped_at = event.created_at

    def _on_false_interruption(self, event: AgentFalseInterruptionEvent) -> None:
        if event.resumed:
            self._stopped_at = None

    def _on_item(self, event: ConversationItemAddedEvent) -> None:
        item = event.item
        if not isinstance(item, ChatMessage) or item.role not in {"user", "assistant"}:
            return
        if item.role == "user":
            self.turns += 1
            self._counted = True
            self._stopped_at = item.metrics.get("stopped_speaking_at", self._stopped_at)
        else:
            self.interruptions += item.interrupted
            self._end_turn(item.metrics.get("started_speaking_at"), item.metrics.get("e2e_latency"))
        self._on_changed()

    def _end_turn(self, began_at: float | None, seconds: float | None) -> None:
        """Note a message of the agent, as the reply to the caller's last speech unless it began before that ended."""
        waits = self._stopped_at is not None and (began_at is None or began_at >= self._stopped_at)
        if seconds is None and waits and began_at is not None and self._stopped_at is not None:
            seconds = began_at - self._stopped_at
        if seconds is not None and 0 <= seconds <= LATEST_SECONDS:
            self.turns += not self._counted
            self.replies_ms += [round(seconds * 1000)] if len(self.replies_ms) < MOST_REPLIES else []
        if waits or self._stopped_at is None:
            self._stopped_at, self._counted = None, False


class _Usage:
    """The usage of one session, which counts from zero again when it has been closed and started again."""

    def __init__(self, session: Session, on_changed: Callable[[], None]) -> None:
        self._session = session
        self._on_changed = on_changed
        self._before: dict[Key, dict[str, Any]] = {}
        self._now: dict[Key, dict[str, Any]] = {}
        session.on("session_usage_updated", self._on_usage)

    def entries(self) -> list[dict[str, Any]]:
        """Return the usage of each provider and model now, several entries for one that was used before a restart."""
        self._update(self._session.usage.model_usage)
        return [*self._before.values(), *self._now.values()]

    def _on_usage(self, event: SessionUsageUpdatedEvent) -> None:
        self._update(event.usage.model_usage)
        self._on_changed()

    def _update(self, usage: Sequence[ModelUsage]) -> None:
        now: dict[Key, dict[str, Any]] = {(each.type, each.provider, each.model): each.model_dump() for each in usage}
        if any(key not in now or _size(entry) > _size(now[key]) for key, entry in self._now.items()):
            for entry in self._now.values():
                _add(self._before, entry)
        self._now = now


def _add(total: dict[Key, dict[str, Any]], entry: dict[str, Any]) -> None:
    key = entry["type"], entry["provider"], entry["model"]
    before = total.get(key, {})
    total[key] = {
        name: value if isinstance(value, str) else value + before.get(name, 0) for name, value in entry.items()
    }


def _size(entry: dict[str, Any]) -> float:
    return sum(value for value in entry.values() if isinstance(value, int | float))
