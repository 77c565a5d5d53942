"""A call under a fault, as its caller hears it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import combinations, pairwise

from ops.caller.caller import Caller
from ops.caller.recording import Channel, Interval
from tasks.rooms import Room, State
from tests.acceptance.installation import ANSWER_SECONDS
from tests.chaos.installation import ChaosInstallation
from tests.support.waiting import until

LOST_SECONDS = 20.0
LISTEN_SECONDS = 2.0
GAP_SECONDS = 0.1
"""Shorter silences are part of speech."""


class ObservedCall:
    """A call, and its room at the time of the agent's first sound, if any. Times are those of the caller's clock."""

    def __init__(self, caller: Caller, room: Room | None = None) -> None:
        self.caller = caller
        self._room = room
        self.fault_at = 0.0

    @property
    def room(self) -> Room:
        """The room at the time of the agent's first sound."""
        assert self._room is not None
        return self._room

    @property
    def agent(self) -> str | None:
        """The identity of the first agent."""
        return None if self._room is None else f"agent-{self._room.sid}-{self._room.attempt}"

    @property
    def pid(self) -> int:
        """The process id of the first agent's child."""
        assert self.room.pid is not None
        return self.room.pid

    def mark_fault(self) -> None:
        """Record that the fault happens now."""
        self.fault_at = self.caller.clock.now()

    async def wait_for_replacement(self, seconds: float = LOST_SECONDS) -> float | None:
        """Wait until the caller hears another agent, and return the seconds since the fault; None after `seconds`.

        It goes on listening for a while, so that two agents at once would be heard.
        """

        async def heard() -> bool:
            return self._replacement_heard_at() is not None

        try:
            await until(heard, seconds)
        except TimeoutError:
            return None
        await asyncio.sleep(LISTEN_SECONDS)
        heard_at = self._replacement_heard_at()
        assert heard_at is not None
        return max(0.0, heard_at - self.fault_at)

    async def hears(self, agent: str, seconds: float = LOST_SECONDS) -> bool:
        """Return whether this agent is heard within `seconds`."""

        async def heard() -> bool:
            return any(channel.speaker == agent and channel.first_sound is not None for channel in self._channels)

        try:
            await until(heard, seconds)
        except TimeoutError:
            return False
        return True

    def longest_silence(self) -> float:
        """Return the longest silence since the fault, in seconds."""
        intervals = sorted(
            interval for interval in self.caller.listener.audible_intervals(GAP_SECONDS) if interval.end > self.fault_at
        )
        heard_until, longest = self.fault_at, 0.0
        for begin, end in intervals:
            longest = max(longest, begin - heard_until)
            heard_until = max(heard_until, end)
        return max(longest, self.caller.clock.now() - heard_until)

    def silences_between_agents(self) -> list[float]:
        """Return the seconds from the last sound of each agent to the first sound of the next."""
        spans = sorted(
            Interval(intervals[0].begin, intervals[-1].end)
            for intervals in _speech(self._channels).values()
            if intervals
        )
        return [max(0.0, after.begin - before.end) for before, after in pairwise(spans)]

    def doubled_seconds(self) -> float:
        """Return the seconds in which two agents were heard at once."""
        return doubled_seconds(self._channels)

    @property
    def _channels(self) -> list[Channel]:
        return self.caller.listener.channels

    def _replacement_heard_at(self) -> float | None:
        others = [channel for channel in self._channels if channel.speaker != self.agent]
        return min((channel.first_sound for channel in others if channel.first_sound is not None), default=None)


def doubled_seconds(channels: Iterable[Channel]) -> float:
    """Return the seconds in which two agents were heard at once."""
    return sum(
        max(0.0, min(one.end, two.end) - max(one.begin, two.begin))
        for first, second in combinations(_speech(channels).values(), 2)
        for one in first
        for two in second
    )


def _speech(channels: Iterable[Channel]) -> dict[str, list[Interval]]:
    speech: dict[str, list[Interval]] = {}
    for channel in channels:
        speech.setdefault(channel.speaker, []).extend(channel.audible_intervals(GAP_SECONDS))
    return speech


@asynccontextmanager
async def start_call(installation: ChaosInstallation, tenant: str = "acme") -> AsyncIterator[ObservedCall]:
    """Start a call, and wait until its agent is heard. Raises NoAnswer."""
    async with installation.call(tenant) as caller:
        await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
        yield ObservedCall(caller, await installation.reaches(caller.room_sid, State.RUNNING))
