"""The event in a webhook's body: only the fields that decide about a call.

LiveKit sends protobuf's JSON: camelCase, zero values left out, 64-bit integers as strings. An event has many more
fields, and some are secret (the room's `turnPassword`), so nothing else is kept and no error message quotes a value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from livekit.protocol import models

from tasks.livekit_api import NON_CALLER_KINDS
from tasks.queue.dispatcher import RoomInfo
from webhooks.errors import EventMalformed

ROOM_STARTED: Final = "room_started"
ROOM_FINISHED: Final = "room_finished"
PARTICIPANT_JOINED: Final = "participant_joined"

# By name, as in protobuf's JSON.
_NON_CALLER_KINDS = frozenset(map(models.ParticipantInfo.Kind.Name, NON_CALLER_KINDS))


@dataclass(frozen=True, slots=True)
class Event:
    """An event. `room` is set if the event is one of the three that are handled."""

    name: str
    id: str
    room: RoomInfo | None = None
    participant_kind: str | None = None
    """Of participant_joined: a name of ParticipantInfo.Kind, or a number if livekit-server has no name for it."""

    @property
    def caller_joined(self) -> bool:
        """True if a caller joined: a person, a telephone, an ingress, and any kind that LiveKit may add."""
        return self.participant_kind is not None and self.participant_kind not in _NON_CALLER_KINDS


def parse(body: bytes) -> Event:
    """Parse a body whose signature was verified. Raises EventMalformed."""
    try:
        # RecursionError: a body within the size limit can nest a hundred thousand brackets.
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


def _room(fields: Mapping[str, Any], joined_at_ms: int | None) -> RoomInfo:
    sid = _text(fields, "sid")
    if not sid:
        raise EventMalformed(problem="room.sid is missing")
    name, metadata = _text(fields, "name"), _text(fields, "metadata")
    return RoomInfo(sid, name, metadata, _unix_ms(fields, "creationTime"), joined_at_ms)


def _unix_ms(fields: Mapping[str, Any], name: str) -> int | None:
    milliseconds = _int64(fields, f"{name}Ms")
    if milliseconds is not None:
        return milliseconds
    # Older servers send only whole seconds.
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
