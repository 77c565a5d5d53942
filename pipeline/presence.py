"""The presence of callers in a room, which decides when a call ends, whichever agent answers it."""

from __future__ import annotations

import asyncio
from enum import StrEnum

from livekit import rtc
from livekit.protocol import models

from pipeline.options import CallLimits

NON_CALLER_KINDS = (rtc.ParticipantKind.PARTICIPANT_KIND_AGENT, rtc.ParticipantKind.PARTICIPANT_KIND_EGRESS)
"""Kinds of participant that keep no call alive: agents leave with the last caller, a recorder alone records nobody."""

ANNOUNCED_SECONDS = 3.5
"""livekit-server announces a participant to the others with its first track, or else within 3 s."""

_EVENTS: tuple[rtc.room.EventTypes, ...] = (
    "connection_state_changed",
    "participant_connected",
    "participant_disconnected",
    "participant_permissions_changed",
    "reconnected",
)


def is_caller(participant: rtc.RemoteParticipant | models.ParticipantInfo) -> bool:
    """Tell whether a participant is a caller: no agent, no recorder, and not hidden from the others."""
    permission = participant.permission if isinstance(participant, models.ParticipantInfo) else participant.permissions
    # livekit's client has no `recorder`. The server does not announce recorders, nor who is hidden, to other clients.
    unseen = permission.hidden or getattr(permission, "recorder", False)
    return participant.kind not in NON_CALLER_KINDS and not unseen


def callers(room: rtc.Room) -> list[rtc.RemoteParticipant]:
    """Return the callers in the room."""
    return [participant for participant in room.remote_participants.values() if is_caller(participant)]


class EndReason(StrEnum):
    """The limit that ended a call. The values are the call record's reasons."""

    NOBODY_CAME = "nobody came"
    EMPTY = "room empty"
    TOO_LONG = "maximum length"


class Presence:
    """Watch over a room from before the agent joins it. `ended` is done when the call has reached one of its limits.

    `came`: a caller has been there. One who comes back within the grace time, after a network change for example, keeps
    the call.
    """

    def __init__(self, room: rtc.Room, limits: CallLimits) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = room
        self._limits = limits
        self.ended: asyncio.Future[EndReason] = self._loop.create_future()
        self.came = False
        self._empty_timer = self._end_after(limits.join_seconds, EndReason.NOBODY_CAME)
        self._length_timer = self._end_after(limits.length_seconds, EndReason.TOO_LONG)
        for event in _EVENTS:
            room.on(event, self._update)

    @property
    def callers(self) -> list[rtc.RemoteParticipant]:
        """The callers who are there."""
        return callers(self._room)

    def close(self) -> None:
        """Stop watching."""
        for event in _EVENTS:
            self._room.off(event, self._update)
        self._empty_timer.cancel()
        self._length_timer.cancel()

    def note_unannounced_caller(self) -> None:
        """Count a caller who is not announced yet, and may leave without having been."""
        if not self.came and not callers(self._room):
            self.came = True
            self._empty_timer.cancel()
            grace_seconds = max(self._limits.empty_grace_seconds, ANNOUNCED_SECONDS)
            self._empty_timer = self._end_after(grace_seconds, EndReason.EMPTY)

    def _update(self, *_: object) -> None:
        if callers(self._room):
            self.came = True
            self._empty_timer.cancel()
        elif self.came and self._empty_timer.cancelled():
            self._empty_timer = self._end_after(self._limits.empty_grace_seconds, EndReason.EMPTY)

    def _end_after(self, seconds: float, reason: EndReason) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, self._end, reason)

    def _end(self, reason: EndReason) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)
