"""The event in a webhook's body: only the fields that decide about a call.

LiveKit sends protobuf's JSON: camelCase, zero values left out, 64-bit integers as strings. An event has many more
fields, and some are secret (the room's `turnPassword`), so nothing else is kept and no error message quotes a value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from livekit.protocol import models

from tasks.livekit_api import is_caller
from tasks.queue.dispatcher import RoomInfo
from tasks.queue.routing import SIP_ATTRIBUTES, called_number, caller_number
from webhooks.errors import EventMalformed

ROOM_STARTED: Final = "room_started"
ROOM_FINISHED: Final = "room_finished"
PARTICIPANT_JOINED: Final = "participant_joined"

_KINDS = models.ParticipantInfo.Kind
_INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class Event:
    """An event. `room` is set if the event is one of the three that are handled.

    `caller_joined`: a caller has joined, as `tasks.livekit_api.is_caller` says. `at_ms`: when it happened, unix ms by
    the LiveKit server's clock, None where unknown; for metrics alone.
    """

    name: str
    id: str
    room: RoomInfo | None = None
    caller_joined: bool = False
    at_ms: int | None = field(default=None, compare=False)


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
    created_at_ms = _created_at_ms(fields)
    if name not in {ROOM_STARTED, ROOM_FINISHED, PARTICIPANT_JOINED}:
        return Event(name, event_id, at_ms=created_at_ms)
    room = _object(fields, "room")
    if name != PARTICIPANT_JOINED:
        info = _room(room, None)
        started_at_ms = info.started_at_ms if name == ROOM_STARTED else None
        return Event(name, event_id, info, at_ms=started_at_ms or created_at_ms)
    participant = _object(fields, "participant")
    joined_at_ms = _unix_ms(participant, "joinedAt")
    who = _participant(participant)
    joined = replace(_room(room, joined_at_ms), called_number=called_number(who), caller_number=caller_number(who))
    return Event(name, event_id, joined, caller_joined=is_caller(who), at_ms=joined_at_ms or created_at_ms)


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


def _created_at_ms(fields: Mapping[str, Any]) -> int | None:
    """Return when the event was made, which LiveKit says in whole seconds. An odd time is no reason to reject it."""
    try:
        return _unix_ms(fields, "createdAt")
    except EventMalformed:
        return None


def _participant(fields: Mapping[str, Any]) -> models.ParticipantInfo:
    """Return as much of the participant as decides whether it is a caller, and which number it has and has called."""
    permission = fields.get("permission", {})
    if not isinstance(permission, dict):
        raise EventMalformed(problem="participant.permission is not an object")
    attributes = fields.get("attributes", {})
    if not isinstance(attributes, dict):
        raise EventMalformed(problem="participant.attributes is not an object")
    return models.ParticipantInfo(
        kind=_kind(fields),
        permission=models.ParticipantPermission(
            hidden=permission.get("hidden") is True, recorder=permission.get("recorder") is True
        ),
        attributes={name: _text(attributes, name) for name in SIP_ATTRIBUTES},
    )


def _kind(fields: Mapping[str, Any]) -> Any:
    kind = fields.get("kind", _KINDS.STANDARD)
    if isinstance(kind, str):
        # livekit-server may know kinds that this livekit-api does not. They are people like any other.
        return _KINDS.Value(kind) if kind in _KINDS.keys() else _KINDS.STANDARD  # noqa: SIM118 - protobuf's wrapper is no mapping
    if not isinstance(kind, int):
        raise EventMalformed(problem="participant.kind is neither a name nor a number")
    if not 0 <= kind < 1 << 31:
        raise EventMalformed(problem="participant.kind is not a number of a kind")
    return kind


def _object(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise EventMalformed(problem=f"{name} is missing or not an object")
    return value


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise EventMalformed(problem=f"{name} is not a string")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise EventMalformed(problem=f"{name} is not text that UTF-8 can encode")
    return value


def _int64(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = _INT64
    if not -_INT64 <= number < _INT64:
        raise EventMalformed(problem=f"{name} is not a whole number of 64 bits")
    return number
