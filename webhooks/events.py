"""A webhook's event, as much of it as decides about a call.

LiveKit writes protobuf's JSON: camelCase, zero values left out, 64-bit integers as strings. An event carries far more
than is read here, and some of it is secret (the room's `turnPassword`), so nothing else is kept and no message quotes a
value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tasks.queue.dispatcher import RoomSeen
from webhooks.errors import EventMalformed

ROOM_STARTED: Final = "room_started"
ROOM_FINISHED: Final = "room_finished"
PARTICIPANT_JOINED: Final = "participant_joined"

_NO_CALLERS = frozenset({"AGENT", "EGRESS"})


@dataclass(frozen=True, slots=True)
class Event:
    """An event: `room` is there when the event is one of the three that concern us."""

    name: str
    id: str
    room: RoomSeen | None = None
    participant_kind: str | None = None
    """Of a participant_joined: a name of ParticipantInfo.Kind, or a number where the server itself knows no name."""

    @property
    def brings_a_caller(self) -> bool:
        """Whether somebody joined who wants to be answered: a person, a phone, an ingress, and any kind yet to come."""
        return self.participant_kind is not None and self.participant_kind not in _NO_CALLERS


def parse(body: bytes) -> Event:
    """Return the event in a body whose signature was verified. Raises EventMalformed."""
    try:
        # RecursionError: a body within the size limit has room for a hundred thousand brackets.
        fields = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise EventMalformed(problem="the body is not JSON in UTF-8") from None
    if not isinstance(fields, dict):
        raise EventMalformed(problem="the body is not a JSON object")
    name, event_id = _text(fields, "event"), _text(fields, "id")
    if not name:
        raise EventMalformed(problem="event is missing")
    if name not in {ROOM_STARTED, ROOM_FINISHED, PARTICIPANT_JOINED}:
        return Event(name, event_id)
    room = _object(fields, "room")
    if name != PARTICIPANT_JOINED:
        return Event(name, event_id, _room(room, None))
    participant = _object(fields, "participant")
    return Event(name, event_id, _room(room, _unix_ms(participant, "joinedAt")), _kind(participant))


def _room(fields: Mapping[str, Any], joined_at_ms: int | None) -> RoomSeen:
    sid = _text(fields, "sid")
    if not sid:
        raise EventMalformed(problem="room.sid is missing")
    name, metadata = _text(fields, "name"), _text(fields, "metadata")
    return RoomSeen(sid, name, metadata, _unix_ms(fields, "creationTime"), joined_at_ms)


def _unix_ms(fields: Mapping[str, Any], name: str) -> int | None:
    milliseconds = _int64(fields, f"{name}Ms")
    if milliseconds is not None:
        return milliseconds
    # Older servers know only whole seconds.
    seconds = _int64(fields, name)
    return None if seconds is None else seconds * 1000


def _kind(fields: Mapping[str, Any]) -> str:
    kind = fields.get("kind", "STANDARD")
    if not isinstance(kind, str | int):
        raise EventMalformed(problem="participant.kind is neither a name nor a number")
    return str(kind)


def _object(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise EventMalformed(problem=f"{name} is missing or not an object")
    return value


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise EventMalformed(problem=f"{name} is not a string")
    return value


def _int64(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise EventMalformed(problem=f"{name} is not a whole number") from None
