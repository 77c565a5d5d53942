"""Who is in the room, and so when the call ends, whoever wrote the agent."""

from __future__ import annotations

import asyncio
from enum import StrEnum

from livekit import rtc

from pipeline.options import CallLimits

# Neither keeps a room alive: agents leave with the last caller, and a recorder records nobody.
_COMPANY = (rtc.ParticipantKind.PARTICIPANT_KIND_AGENT, rtc.ParticipantKind.PARTICIPANT_KIND_EGRESS)
_EVENTS: tuple[rtc.room.EventTypes, ...] = (
    "connection_state_changed",
    "participant_connected",
    "participant_disconnected",
    "reconnected",
)


def is_caller(kind: int) -> bool:
    """Whether a call exists for participants of this kind."""
    return kind not in _COMPANY


def callers(room: rtc.Room) -> list[rtc.RemoteParticipant]:
    """The participants for whom the call exists."""
    return [person for person in room.remote_participants.values() if is_caller(person.kind)]


class Ending(StrEnum):
    """Why a call ended, other than by its agent."""

    NOBODY_CAME = "nobody came"
    EMPTY = "room empty"
    TOO_LONG = "maximum length"


class Presence:
    """Watches a room from before the agent joins it. `ended` is done when a limit is reached.

    A caller who comes back within the grace time, after a network change for example, keeps the call.
    """

    def __init__(self, room: rtc.Room, limits: CallLimits) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = room
        self._limits = limits
        self.ended: asyncio.Future[Ending] = self._loop.create_future()
        self._came = False
        self._waiting = self._after(limits.join_seconds, Ending.NOBODY_CAME)
        self._length = self._after(limits.length_seconds, Ending.TOO_LONG)
        for event in _EVENTS:
            room.on(event, self._look)

    def close(self) -> None:
        """Stop watching."""
        for event in _EVENTS:
            self._room.off(event, self._look)
        self._waiting.cancel()
        self._length.cancel()

    def _look(self, *_: object) -> None:
        if callers(self._room):
            self._came = True
            self._waiting.cancel()
        elif self._came and self._waiting.cancelled():
            self._waiting = self._after(self._limits.empty_grace_seconds, Ending.EMPTY)

    def _after(self, seconds: float, ending: Ending) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, self._end, ending)

    def _end(self, ending: Ending) -> None:
        if not self.ended.done():
            self.ended.set_result(ending)
