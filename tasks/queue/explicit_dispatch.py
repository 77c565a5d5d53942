"""Explicit dispatches: rooms for which the LiveKit server was asked to dispatch an agent by its name.

A token's room configuration asks for one, a request that creates the room, or one of its own (CreateAgentDispatch).
LiveKit's webhooks do not tell of it, so the server is asked. When it announces the room it knows of those that came
with the room.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Self

from tasks.livekit_api import LiveKitClient, LiveKitError
from tasks.settings import Settings

DEADLINE_SECONDS = 0.5
"""A server that has just announced the room answers in a few milliseconds."""
PAUSE_SECONDS = 2.0

logger = logging.getLogger("switchboard.tasks.queue")


@dataclass(frozen=True, slots=True)
class ExplicitDispatch:
    """An explicit dispatch. `is_ours`: a tenant's agent comes in the named agent's stead, and gets the `metadata`."""

    is_ours: bool
    metadata: str


class ExplicitDispatches:
    """The explicit dispatches of one LiveKit server. `names`: the agents in whose stead a tenant's agent comes."""

    def __init__(self, livekit: LiveKitClient, names: frozenset[str]) -> None:
        self._livekit = livekit
        self._names = names
        self._not_before = float("-inf")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return one with a connection of its own, inside an event loop."""
        livekit = LiveKitClient.from_settings(settings.livekit, deadline_seconds=DEADLINE_SECONDS)
        return cls(livekit, settings.receiver.answered_agents)

    async def find(self, room: str) -> ExplicitDispatch | None:
        """Return the explicit dispatch of a room: rather one of ours, if it has several. None also without an answer.

        An agent too many does less harm than none. A server that has not answered is not asked again at once, so that a
        burst of webhooks does not wait for it.
        """
        if time.monotonic() < self._not_before:
            return None
        try:
            dispatches = await self._livekit.list_dispatches(room)
        except LiveKitError as error:
            if time.monotonic() >= self._not_before:
                logger.warning("explicit dispatches not known", extra={"problem": str(error)})
            self._not_before = time.monotonic() + PAUSE_SECONDS
            return None
        ours = [dispatch for dispatch in dispatches if dispatch.agent_name in self._names]
        for dispatch in ours or dispatches:
            return ExplicitDispatch(bool(ours), dispatch.metadata)
        return None

    async def aclose(self) -> None:
        """Close the connection."""
        await self._livekit.aclose()
