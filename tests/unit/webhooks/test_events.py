from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson
from livekit.protocol.models import ParticipantInfo, ParticipantPermission, Room
from livekit.protocol.webhook import WebhookEvent

from tasks.queue.dispatcher import RoomInfo
from webhooks import events
from webhooks.errors import EventMalformed

ROOM = {"sid": "RM_1", "name": "call-acme-1", "metadata": '{"tenant_id": "acme"}', "creationTimeMs": "1700000000123"}
SEEN = RoomInfo("RM_1", "call-acme-1", '{"tenant_id": "acme"}', 1_700_000_000_123)


def encoded(**fields: object) -> bytes:
    return json.dumps({"event": "room_started", "id": "EV_1", "room": ROOM, **fields}).encode()


def test_a_room_started_carries_what_the_dispatcher_needs() -> None:
    assert events.parse(encoded()) == events.Event("room_started", "EV_1", SEEN)


def test_livekits_own_message_is_understood() -> None:
    message = WebhookEvent(
        event="participant_joined",
        id="EV_1",
        created_at=1_700_000_001,
        room=Room(
            sid=SEEN.sid,
            name=SEEN.name,
            metadata=SEEN.metadata,
            creation_time=1_700_000_000,
            creation_time_ms=1_700_000_000_123,
            turn_password="hush",
        ),
        participant=ParticipantInfo(sid="PA_1", kind=ParticipantInfo.Kind.SIP),
    )

    event = events.parse(MessageToJson(message).encode())

    assert event == events.Event("participant_joined", "EV_1", SEEN, caller_joined=True)


def test_the_turn_password_is_not_kept() -> None:
    assert "hush" not in repr(events.parse(encoded(room={**ROOM, "turnPassword": "hush"})))


def test_the_start_falls_back_to_whole_seconds() -> None:
    event = events.parse(encoded(room={"sid": "RM_1", "creationTime": "1700000000"}))

    assert event.room == RoomInfo("RM_1", "", "", 1_700_000_000_000)


def test_a_room_without_a_time_has_no_start() -> None:
    event = events.parse(encoded(room={"sid": "RM_1"}))

    assert event.room == RoomInfo("RM_1", "", "", None)


@pytest.mark.parametrize("kind", sorted(set(ParticipantInfo.Kind.keys()) - {"AGENT", "EGRESS"}))
def test_anybody_but_an_agent_or_a_recorder_is_a_caller(kind: str) -> None:
    # Protobuf leaves out the zero value.
    participant = {} if kind == "STANDARD" else {"kind": kind}

    assert events.parse(encoded(event="participant_joined", participant=participant)).caller_joined


@pytest.mark.parametrize("kind", ["AGENT", "EGRESS"])
def test_an_agent_or_a_recorder_is_no_caller(kind: str) -> None:
    event = events.parse(encoded(event="participant_joined", participant={"kind": kind}))

    assert not event.caller_joined
    assert kind in ParticipantInfo.Kind.keys()  # noqa: SIM118 - protobuf's wrapper is no mapping


@pytest.mark.parametrize("permission", [{"hidden": True}, {"recorder": True}, {"hidden": True, "canSubscribe": True}])
@pytest.mark.parametrize("kind", ["STANDARD", "SIP", 99])
def test_who_is_hidden_or_records_is_no_caller(kind: str | int, permission: dict[str, bool]) -> None:
    event = events.parse(encoded(event="participant_joined", participant={"kind": kind, "permission": permission}))

    assert not event.caller_joined


@pytest.mark.parametrize("permission", [{}, {"canPublish": True}, {"hidden": False, "recorder": False}])
def test_who_is_seen_is_a_caller(permission: dict[str, bool]) -> None:
    assert events.parse(encoded(event="participant_joined", participant={"permission": permission})).caller_joined


def test_the_hidden_supervisor_of_livekits_own_message_is_no_caller() -> None:
    message = WebhookEvent(
        event="participant_joined",
        room=Room(sid="RM_1"),
        participant=ParticipantInfo(permission=ParticipantPermission(hidden=True, can_subscribe=True)),
    )

    assert not events.parse(MessageToJson(message).encode()).caller_joined


def test_a_kind_that_even_the_server_knows_only_by_name_is_a_caller() -> None:
    assert events.parse(encoded(event="participant_joined", participant={"kind": "HOLOGRAM"})).caller_joined


def test_a_kind_that_even_the_server_knows_only_by_number_is_a_caller() -> None:
    assert events.parse(encoded(event="participant_joined", participant={"kind": 99})).caller_joined


@pytest.mark.parametrize(
    ("participant", "joined_at_ms"),
    [
        ({"joinedAt": "1700000005", "joinedAtMs": "1700000005678"}, 1_700_000_005_678),
        # Servers that do not send milliseconds: the beginning of the second, so that none seems to have joined late.
        ({"joinedAt": "1700000005"}, 1_700_000_005_000),
        ({"joinedAtMs": 1_700_000_005_678}, 1_700_000_005_678),
        ({}, None),
    ],
)
def test_a_participant_joined_has_the_time_of_joining(participant: dict[str, Any], joined_at_ms: int | None) -> None:
    event = events.parse(encoded(event="participant_joined", participant=participant))

    assert event.room == replace(SEEN, joined_at_ms=joined_at_ms)


def test_the_time_of_joining_is_read_from_livekits_own_message() -> None:
    message = WebhookEvent(
        event="participant_joined",
        room=Room(sid="RM_1"),
        participant=ParticipantInfo(joined_at=1_700_000_005, joined_at_ms=1_700_000_005_678),
    )

    event = events.parse(MessageToJson(message).encode())

    assert event.room == RoomInfo("RM_1", "", joined_at_ms=1_700_000_005_678)


def test_only_participant_joined_has_the_time_of_joining() -> None:
    event = events.parse(encoded(participant={"joinedAt": "1700000005"}, joinedAt="1700000005"))

    assert event.room == SEEN


def test_a_room_that_starts_or_ends_is_not_a_caller_joining() -> None:
    assert not events.parse(encoded()).caller_joined
    assert not events.parse(encoded(event="room_finished")).caller_joined


@pytest.mark.parametrize("name", ["track_published", "egress_ended", "something_new"])
def test_of_any_other_event_only_its_name_and_id_are_read(name: str) -> None:
    assert events.parse(encoded(event=name, room="not even an object")) == events.Event(name, "EV_1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"room_started"',
        b"\xff\xfe{}",
        b"{}\x00",
        b"[" * 100_000,
        b'{"event":"room_started","n":' + b"9" * 10_000 + b"}",
    ],
)
def test_a_body_that_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(EventMalformed, match="JSON"):
        events.parse(body)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"event": None}, "event is not a string"),
        ({"event": 7}, "event is not a string"),
        ({"event": ""}, "event is missing"),
        ({"id": 7}, "id is not a string"),
        ({"room": None}, "room is missing"),
        ({"room": []}, "room is missing or not an object"),
        ({"room": {}}, "room.sid is missing"),
        ({"room": {"sid": 7}}, "sid is not a string"),
        ({"room": {**ROOM, "name": ["x"]}}, "name is not a string"),
        ({"room": {**ROOM, "metadata": {}}}, "metadata is not a string"),
        ({"room": {**ROOM, "creationTimeMs": "soon"}}, "creationTimeMs is not a whole number"),
        ({"room": {**ROOM, "creationTimeMs": []}}, "creationTimeMs is not a whole number"),
        ({"event": "room_finished", "room": {}}, "room.sid is missing"),
        ({"event": "participant_joined"}, "participant is missing"),
        ({"event": "participant_joined", "participant": {"kind": []}}, "kind is neither a name nor a number"),
        ({"event": "participant_joined", "participant": {"kind": 1 << 40}}, "kind is not a number of a kind"),
        ({"event": "participant_joined", "participant": {"permission": []}}, "permission is not an object"),
        ({"room": {**ROOM, "name": "\ud800"}}, "name is not text"),
        ({"room": {**ROOM, "sid": "RM_\udfff"}}, "sid is not text"),
        ({"room": {**ROOM, "creationTimeMs": 1 << 70}}, "creationTimeMs is not a whole number"),
        ({"room": {**ROOM, "creationTimeMs": float("inf")}}, "creationTimeMs is not a whole number"),
        ({"event": "participant_joined", "participant": {"joinedAt": "now"}}, "joinedAt is not a whole number"),
        ({"event": "participant_joined", "participant": {"joinedAtMs": {}}}, "joinedAtMs is not a whole number"),
    ],
)
def test_a_field_that_is_missing_or_of_another_type_is_named(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(EventMalformed, match=problem):
        events.parse(encoded(**fields))


def test_a_body_without_an_event_is_malformed() -> None:
    with pytest.raises(EventMalformed, match="event is missing"):
        events.parse(b"{}")


def test_no_message_quotes_the_body() -> None:
    with pytest.raises(EventMalformed) as refused:
        events.parse(encoded(room={**ROOM, "turnPassword": "hush", "name": {"turnPassword": "hush"}}))

    assert "hush" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    ("fields", "at_ms"),
    [
        ({"createdAt": "1700000005"}, 1_700_000_000_123),
        ({"createdAt": "1700000005", "event": "room_finished"}, 1_700_000_005_000),
        ({"createdAt": "1700000005", "event": "track_published"}, 1_700_000_005_000),
        ({"createdAt": "soon", "event": "track_published"}, None),
        ({"event": "room_finished"}, None),
        (
            {"createdAt": "1700000005", "event": "participant_joined", "participant": {"joinedAtMs": "1700000004999"}},
            1_700_000_004_999,
        ),
    ],
)
def test_an_event_says_when_it_happened_as_exactly_as_it_can(fields: dict[str, object], at_ms: int | None) -> None:
    assert events.parse(encoded(**fields)).at_ms == at_ms
