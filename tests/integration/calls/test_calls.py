"""Calls that a backend creates."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import datetime

import jwt
import pytest
from livekit import api

from ops.stack.livekit import LiveKitServer
from tasks.rooms import RoomStore, State
from tests.integration.calls.client import ACME_KEY, BOTH_KEY, EVERY_KEY, Client, rooms_named
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def waiting(rooms: RoomStore, queue: str = "premium") -> int:
    length = rooms.redis.llen(queue)
    assert not isinstance(length, int)
    return await length


async def test_a_call_waits_for_its_agent_before_anybody_has_joined(
    backend: Client, rooms: RoomStore, server: api.LiveKitAPI
) -> None:
    answer = await backend.call({"tenant_id": "acme", "metadata": {"order": 7}, "token_ttl_seconds": 300})

    assert answer.status == 201
    room = await rooms.get(answer.json["sid"])
    assert room is not None
    assert (room.name, room.tenant, room.state) == (answer.json["room"], "acme", State.QUEUED)
    assert room.name.startswith("call-acme-")
    assert await waiting(rooms) == 1
    (made,) = await rooms_named(server, room.name)
    assert (made.sid, json.loads(made.metadata)) == (room.sid, {"tenant_id": "acme", "order": 7})
    assert (made.empty_timeout, made.departure_timeout) == (300, 20)


async def test_the_webhook_of_a_room_that_was_created_changes_nothing(backend: Client, rooms: RoomStore) -> None:
    # Either comes first: the webhook finds the room known, or opens it, and then the request finds it known.
    before = await backend.counted("switchboard_webhook_events_total", event="room_started")

    await backend.call({"tenant_id": "acme"})

    async def announced() -> bool:
        return await backend.counted("switchboard_webhook_events_total", event="room_started") > before

    await until(announced)
    assert await waiting(rooms) == 1


@pytest.mark.usefixtures("rooms")
async def test_the_token_is_for_one_room_and_for_speaking_there(backend: Client, livekit: LiveKitServer) -> None:
    wanted = {"tenant_id": "acme", "identity": "customer-42", "name": "Ada", "token_ttl_seconds": 60}

    answer = await backend.call(wanted)

    assert answer.headers["Cache-Control"] == "no-store"
    assert (answer.json["url"], answer.json["identity"]) == (livekit.url, "customer-42")
    claims = jwt.decode(answer.json["token"], livekit.api_secret, algorithms=["HS256"])
    assert claims["exp"] - claims["nbf"] == 60
    assert datetime.fromisoformat(answer.json["expires_at"]).timestamp() == claims["exp"]
    assert (claims["iss"], claims["sub"], claims["name"]) == (livekit.api_key, "customer-42", "Ada")
    assert claims["video"] == {
        "roomJoin": True,
        "room": answer.json["room"],
        "canPublish": True,
        "canPublishSources": ["microphone"],
        "canSubscribe": True,
        "canPublishData": True,
    }


async def test_each_request_without_an_idempotency_key_creates_a_call(backend: Client, rooms: RoomStore) -> None:
    answers = [await backend.call({"tenant_id": "acme"}) for _ in range(3)]

    for field in ("room", "sid", "identity", "token"):
        assert len({answer.json[field] for answer in answers}) == 3
    assert await waiting(rooms) == 3


async def test_the_same_request_by_the_same_key_has_the_same_answer(
    clients: list[Client], rooms: RoomStore, server: api.LiveKitAPI
) -> None:
    key = str(uuid.uuid4())
    first = await clients[0].call({"tenant_id": "acme", "metadata": {"a": 1, "b": 2}}, idempotency_key=key)
    again = await clients[1].call(b'{ "metadata": {"b": 2, "a": 1}, "tenant_id": "acme" }', idempotency_key=key)
    assert (first.status, again.status) == (201, 201)
    assert again.json == first.json

    await server.room.delete_room(api.DeleteRoomRequest(room=first.json["room"]))
    over = await clients[0].call({"tenant_id": "acme", "metadata": {"a": 1, "b": 2}}, idempotency_key=key)
    assert over.json == first.json
    assert await rooms_named(server, first.json["room"]) == []
    assert len(await rooms.list_all()) == 1


async def test_another_request_by_the_same_key_is_refused(backend: Client, rooms: RoomStore) -> None:
    key = str(uuid.uuid4())
    await backend.call({"tenant_id": "acme"}, idempotency_key=key)

    other = await backend.call({"tenant_id": "acme", "name": "Ada"}, idempotency_key=key)

    assert other.problem == (409, "idempotency_key_reused", ["Idempotency-Key"])
    assert await waiting(rooms) == 1


async def test_two_companies_may_choose_the_same_idempotency_key(backend: Client, rooms: RoomStore) -> None:
    one = await backend.call({"tenant_id": "acme"}, key=ACME_KEY, idempotency_key="1")
    other = await backend.call({"tenant_id": "acme"}, key=BOTH_KEY, idempotency_key="1")

    assert one.json["sid"] != other.json["sid"]
    assert await waiting(rooms) == 2


async def test_twenty_of_the_same_at_once_to_two_receivers_make_one_room(
    clients: list[Client], rooms: RoomStore, server: api.LiveKitAPI
) -> None:
    key = str(uuid.uuid4())
    before = len(await rooms_named(server))

    answers = await asyncio.gather(
        *(clients[number % 2].call({"tenant_id": "acme"}, idempotency_key=key) for number in range(20))
    )

    assert {answer.status for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert await waiting(rooms) == 1
    assert len(await rooms_named(server)) == before + 1


async def test_a_request_that_a_dead_receiver_left_unfinished_is_finished_by_a_retry(
    clients: list[Client], rooms: RoomStore
) -> None:
    first = await clients[0].call({"tenant_id": "acme"}, idempotency_key="1")
    (kept,) = [key async for key in rooms.redis.scan_iter("switchboard:idempotency:*")]
    # As if it had died after creating the room, and before recording it.
    await rooms.redis.hdel(kept, "sid")

    again = await clients[1].call({"tenant_id": "acme"}, idempotency_key="1")

    assert again.json == first.json
    assert await rooms.redis.hget(kept, "sid") == first.json["sid"]
    assert await waiting(rooms) == 1


async def test_redis_keeps_nothing_secret_or_personal_of_a_request(backend: Client, rooms: RoomStore) -> None:
    wanted = {"tenant_id": "acme", "identity": "ada@example.com", "metadata": {"diagnosis": "secret"}}

    answer = await backend.call(wanted, idempotency_key="order-1017")

    (key,) = [key async for key in rooms.redis.scan_iter("switchboard:idempotency:*")]
    kept = await rooms.redis.hgetall(key)
    assert set(kept) == {"fingerprint", "room", "made_at", "sid"}
    assert 0 < await rooms.redis.pttl(key) <= 24 * 3600 * 1000
    for secret in ("order-1017", "ada", "diagnosis", ACME_KEY, answer.json["token"]):
        assert secret not in f"{key} {kept}"


async def test_a_key_is_valid_for_its_tenants_only(backend: Client, rooms: RoomStore) -> None:
    tenants = ("acme", "basic", "nobody")

    statuses = {
        key: [(await backend.call({"tenant_id": tenant}, key=key)).status for tenant in tenants]
        for key in (ACME_KEY, BOTH_KEY, EVERY_KEY)
    }

    assert statuses == {ACME_KEY: [201, 403, 403], BOTH_KEY: [201, 201, 403], EVERY_KEY: [201, 201, 404]}


DEEP = b'{"tenant_id": "acme", "metadata": {"a": ' + b"[" * 9000 + b"]" * 9000 + b"}}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({}, (422, "fields_invalid", ["tenant_id"])),
        ([], (422, "fields_invalid", ["body"])),
        ({"tenant_id": 7}, (422, "fields_invalid", ["tenant_id"])),
        ({"tenant_id": ""}, (422, "fields_invalid", ["tenant_id"])),
        ({"tenant_id": "nobody"}, (404, "tenant_unknown", ["tenant_id"])),
        ({"tenant_id": "broken"}, (422, "tenant_unusable", ["tenant_id"])),
        ({"tenant_id": "acme", "identity": ""}, (422, "fields_invalid", ["identity"])),
        ({"tenant_id": "acme", "identity": "a\nb"}, (422, "fields_invalid", ["identity"])),
        ({"tenant_id": "acme", "identity": "agent-RM_1-1"}, (422, "fields_invalid", ["identity"])),
        ({"tenant_id": "acme", "name": "x" * 129}, (422, "fields_invalid", ["name"])),
        ({"tenant_id": "acme", "token_ttl_seconds": 59}, (422, "fields_invalid", ["token_ttl_seconds"])),
        ({"tenant_id": "acme", "token_ttl_seconds": 3601}, (422, "fields_invalid", ["token_ttl_seconds"])),
        ({"tenant_id": "acme", "token_ttl_seconds": "600"}, (422, "fields_invalid", ["token_ttl_seconds"])),
        ({"tenant_id": "acme", "room": "mine"}, (422, "fields_invalid", ["room"])),
        ({"tenant_id": "acme", "metadata": {"tenant_id": "basic"}}, (422, "fields_invalid", ["metadata"])),
        ({"tenant_id": "acme", "metadata": {"a": "x" * (16 << 10)}}, (422, "fields_invalid", ["metadata"])),
        (b'{"tenant_id": "acme", "metadata": {"a": NaN}}', (422, "fields_invalid", ["metadata"])),
        (b'{"tenant_id": "acme", "metadata": {"a": 1' + b"0" * 9999 + b"}}", (400, "not_json", [])),
        (DEEP, (400, "not_json", [])),
        (b"", (400, "not_json", [])),
        (b'{"tenant_id": "acme"', (400, "not_json", [])),
        (b'{"tenant_id": "\xff"}', (400, "not_json", [])),
        (b'{"tenant_id": "acme", "name": "\\ud800"}', (400, "not_json", [])),
        (b" " * (65 << 10), (413, "body_too_large", [])),
    ],
)
async def test_a_request_that_is_not_valid_is_refused_with_the_fields(
    backend: Client, rooms: RoomStore, content: object, problem: tuple[int, str, list[str]]
) -> None:
    answer = await backend.call(content, key=EVERY_KEY)

    assert answer.problem == problem
    assert await rooms.list_all() == []


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"Authorization": ""}, (401, "api_key_missing", [])),
        ({"Authorization": "Bearer"}, (401, "api_key_missing", [])),
        ({"Authorization": f"Basic {ACME_KEY}"}, (401, "api_key_missing", [])),
        ({"Authorization": f"Bearer {ACME_KEY}x"}, (401, "api_key_unknown", [])),
        ({"Content-Type": "text/plain"}, (415, "media_type_wrong", [])),
        ({"Idempotency-Key": ""}, (400, "idempotency_key_invalid", ["Idempotency-Key"])),
        ({"Idempotency-Key": "a b"}, (400, "idempotency_key_invalid", ["Idempotency-Key"])),
        ({"Idempotency-Key": "x" * 256}, (400, "idempotency_key_invalid", ["Idempotency-Key"])),
    ],
)
async def test_a_request_with_a_wrong_header_is_refused(
    backend: Client, rooms: RoomStore, headers: dict[str, str], problem: tuple[int, str, list[str]]
) -> None:
    answer = await backend.call({"tenant_id": "acme"}, **headers)

    assert answer.problem == problem
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if problem[0] == 401 else None)
    assert await rooms.list_all() == []


async def test_without_a_key_the_errors_of_the_body_are_not_revealed(backend: Client) -> None:
    assert (await backend.call(b"{", key=None)).problem == (401, "api_key_missing", [])


async def test_call_requests_are_counted_by_outcome(backend: Client, rooms: RoomStore) -> None:
    outcomes = ("made", "repeated", "tenant_unknown")
    before = [await backend.counted("switchboard_call_requests_total", outcome=outcome) for outcome in outcomes]

    for _ in range(2):
        await backend.call({"tenant_id": "acme"}, idempotency_key="1")
        await backend.call({"tenant_id": "nobody"}, key=EVERY_KEY)

    after = [await backend.counted("switchboard_call_requests_total", outcome=outcome) for outcome in outcomes]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 2]


async def test_a_call_that_can_neither_be_answered_nor_wait_is_refused_and_its_room_deleted(
    backend: Client, rooms: RoomStore, server: api.LiveKitAPI
) -> None:
    answers = [await backend.call({"tenant_id": "small"}, key=EVERY_KEY) for _ in range(3)]
    assert [answer.status for answer in answers] == [201, 429, 429]
    assert [answer.json["code"] for answer in answers[1:]] == ["waitlist_full"] * 2
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers[1:])

    async def only_the_first_is_left() -> bool:
        found = (await server.room.list_rooms(api.ListRoomsRequest())).rooms
        return [room.sid for room in found if room.name.startswith("call-small-")] == [answers[0].json["sid"]]

    await until(only_the_first_is_left)
    assert await waiting(rooms, "free") == 1
    assert await rooms.list_dead_letters() == []
