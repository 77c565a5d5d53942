"""One call on the stage, and what its caller hears of what is done to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import combinations, pairwise

from ops.caller.caller import Caller
from ops.caller.recording import Channel, Stretch
from tasks.rooms import Room, State
from tests.acceptance.installation import ANSWER_SECONDS
from tests.chaos.installation import Stage
from tests.support.waiting import until

LOST_SECONDS = 20.0
LISTEN_SECONDS = 2.0
GAP_SECONDS = 0.1
"""Silences within speech that are shorter do not interrupt it."""


class Talk:
    """A caller, and the room as it was when its first agent was heard, if that has been so.

    Seconds are those of the caller's clock.
    """

    def __init__(self, caller: Caller, room: Room | None = None) -> None:
        self.caller = caller
        self.began = room
        self.struck = 0.0

    @property
    def room(self) -> Room:
        """The room as the call began."""
        assert self.began is not None
        return self.began

    @property
    def agent(self) -> str | None:
        """The identity of the agent that the call began with."""
        return None if self.began is None else f"agent-{self.began.sid}-{self.began.attempt}"

    @property
    def pid(self) -> int:
        """The child that the call began with."""
        assert self.room.pid is not None
        return self.room.pid

    def strike(self) -> None:
        """The fault happens now."""
        self.struck = self.caller.clock.now()

    async def back(self, seconds: float = LOST_SECONDS) -> float | None:
        """Seconds from the fault until the caller hears another agent. None: not within so many seconds.

        Listens on for a while, so that two agents at once would be heard.
        """

        async def heard() -> bool:
            return self._heard_anew() is not None

        try:
            await until(heard, seconds)
        except TimeoutError:
            return None
        await asyncio.sleep(LISTEN_SECONDS)
        heard_at = self._heard_anew()
        assert heard_at is not None
        return max(0.0, heard_at - self.struck)

    async def hears(self, agent: str, seconds: float = LOST_SECONDS) -> bool:
        """Whether this agent is heard, within so many seconds."""

        async def heard() -> bool:
            return any(channel.speaker == agent and channel.first_sound is not None for channel in self._channels)

        try:
            await until(heard, seconds)
        except TimeoutError:
            return False
        return True

    def longest_silence(self) -> float:
        """Seconds, since the fault, in which nobody was heard."""
        ears = sorted(stretch for stretch in self.caller.ear.stretches(GAP_SECONDS) if stretch.end > self.struck)
        heard_until, longest = self.struck, 0.0
        for begin, end in ears:
            longest = max(longest, begin - heard_until)
            heard_until = max(heard_until, end)
        return max(longest, self.caller.clock.now() - heard_until)

    def silences_between_agents(self) -> list[float]:
        """Seconds from the last sound of each agent to the first of the next."""
        spans = sorted(
            Stretch(stretches[0].begin, stretches[-1].end) for stretches in self._speech().values() if stretches
        )
        return [max(0.0, after.begin - before.end) for before, after in pairwise(spans)]

    def doubled_seconds(self) -> float:
        """For how long two agents were heard at once."""
        return sum(
            max(0.0, min(one.end, two.end) - max(one.begin, two.begin))
            for first, second in combinations(self._speech().values(), 2)
            for one in first
            for two in second
        )

    @property
    def _channels(self) -> list[Channel]:
        return self.caller.ear.channels

    def _heard_anew(self) -> float | None:
        others = [channel for channel in self._channels if channel.speaker != self.agent]
        return min((channel.first_sound for channel in others if channel.first_sound is not None), default=None)

    def _speech(self) -> dict[str, list[Stretch]]:
        speech: dict[str, list[Stretch]] = {}
        for channel in self._channels:
            speech.setdefault(channel.speaker, []).extend(channel.stretches(GAP_SECONDS))
        return speech


@asynccontextmanager
async def talk(stage: Stage, tenant: str = "acme") -> AsyncIterator[Talk]:
    """A call whose agent is heard. Raises NoAnswer."""
    async with stage.call(tenant) as caller:
        await caller.ear.sound(0, ANSWER_SECONDS)
        yield Talk(caller, await stage.reaches(caller.room_sid, State.RUNNING))
