from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from tasks.errors import UnknownTenant
from tasks.queue.dispatcher import DispatchResult, RoomInfo
from tasks.rooms import CloseResult
from tasks.rooms.webhook_check import METADATA, PREFIX
from tests.support.signed_webhook import sign
from tests.unit.webhooks.asgi import Answer, request
from tests.unit.webhooks.memory import KEY, REDIS_AWAY, SECRET, MemoryDispatcher

ROOM = {"sid": "RM_1", "name": "call-acme-1", "metadata": "{}", "creationTimeMs": "5", "turnPassword": "hush"}


def encoded(event: str, **fields: Any) -> bytes:
    return json.dumps({"event": event, "id": "EV_1", "room": ROOM, **fields}).encode()


async def post(app: FastAPI, body: bytes, *, authorization: str | None = None) -> Answer:
    token = sign(body, KEY, SECRET) if authorization is None else authorization
    headers = {"Authorization": token, "Content-Type": "application/webhook+json"}
    return await request(app, "POST", "/livekit/webhook", body=body, headers=headers)


@pytest.mark.parametrize("outcome", list(DispatchResult))
async def test_a_room_started_opens_the_room(
    app: FastAPI, dispatcher: MemoryDispatcher, outcome: DispatchResult
) -> None:
    dispatcher.opens = outcome

    answer = await post(app, encoded("room_started"))

    assert (answer.status, answer.json) == (200, {"outcome": outcome.value})
    assert dispatcher.opened == [RoomInfo("RM_1", "call-acme-1", "{}", 5)]


async def test_a_caller_who_joins_opens_the_room_too(app: FastAPI, dispatcher: MemoryDispatcher) -> None:
    answer = await post(app, encoded("participant_joined", participant={"kind": "SIP"}))

    assert (answer.status, answer.json) == (200, {"outcome": "queued"})
    assert [room.sid for room in dispatcher.opened] == ["RM_1"]


@pytest.mark.parametrize("kind", ["AGENT", "EGRESS"])
async def test_an_agent_or_a_recorder_that_joins_opens_nothing(
    app: FastAPI, dispatcher: MemoryDispatcher, kind: str
) -> None:
    answer = await post(app, encoded("participant_joined", participant={"kind": kind}))

    assert (answer.status, answer.json) == (200, {"outcome": "ignored"})
    assert dispatcher.opened == []


@pytest.mark.parametrize("outcome", list(CloseResult))
async def test_a_room_finished_closes_the_room(
    app: FastAPI, dispatcher: MemoryDispatcher, outcome: CloseResult
) -> None:
    dispatcher.closes = outcome

    answer = await post(app, encoded("room_finished"))

    assert (answer.status, answer.json) == (200, {"outcome": outcome.value})
    assert dispatcher.closed == ["RM_1"]


@pytest.mark.parametrize("event", ["track_published", "egress_ended", "something_new"])
async def test_any_other_event_is_acknowledged(app: FastAPI, dispatcher: MemoryDispatcher, event: str) -> None:
    answer = await post(app, encoded(event))

    assert (answer.status, answer.json) == (200, {"outcome": "ignored"})
    assert not dispatcher.opened
    assert not dispatcher.closed


@pytest.mark.parametrize("event", ["room_started", "room_finished"])
async def test_a_webhook_that_cannot_be_handled_now_is_to_be_retried(
    app: FastAPI, dispatcher: MemoryDispatcher, event: str
) -> None:
    dispatcher.problem = REDIS_AWAY

    answer = await post(app, encoded(event))

    assert (answer.status, answer.json) == (503, {"outcome": "unavailable"})
    assert answer.headers["retry-after"] in {"1", "2"}  # 2 if a second has begun since the signature


async def test_an_error_that_is_not_retryable_is_not_answered_with_a_retry(
    app: FastAPI, dispatcher: MemoryDispatcher
) -> None:
    dispatcher.problem = UnknownTenant(tenant="acme")

    with pytest.raises(UnknownTenant):
        await post(app, encoded("room_started"))


async def test_a_room_of_the_doctor_is_noted_once_and_opened_and_closed_never(
    app: FastAPI, dispatcher: MemoryDispatcher
) -> None:
    room = ROOM | {"name": f"{PREFIX}1", "metadata": METADATA}

    answers = [
        await post(app, encoded(event, room=room, participant={"kind": "STANDARD"}))
        for event in ("room_started", "participant_joined", "room_finished")
    ]

    assert [answer.json["outcome"] for answer in answers] == ["noted", "ignored", "ignored"]
    assert dispatcher.noted == [(f"{PREFIX}1", "room_started")]
    assert (dispatcher.opened, dispatcher.closed) == ([], [])


async def test_a_room_with_the_name_of_the_doctors_that_wants_an_agent_gets_one(
    app: FastAPI, dispatcher: MemoryDispatcher
) -> None:
    answer = await post(app, encoded("room_started", room=ROOM | {"name": f"{PREFIX}1"}))

    assert answer.json == {"outcome": "queued"}
    assert dispatcher.noted == []


async def test_an_event_that_is_ignored_does_not_need_redis(app: FastAPI, dispatcher: MemoryDispatcher) -> None:
    dispatcher.problem = REDIS_AWAY

    assert (await post(app, encoded("track_published"))).status == 200


@pytest.mark.parametrize(("age_s", "pauses"), [(3, {"4", "5"}), (60, {"8"}), (-5, {"1"})])
async def test_the_retry_after_grows_with_the_age_of_the_event(
    app: FastAPI, dispatcher: MemoryDispatcher, age_s: int, pauses: set[str]
) -> None:
    dispatcher.problem = REDIS_AWAY
    body = encoded("room_started")
    claims = jwt.decode(sign(body, KEY, SECRET), options={"verify_signature": False})
    token = jwt.encode({**claims, "nbf": int(time.time()) - age_s, "iat": 0}, SECRET, algorithm="HS256")

    answer = await post(app, body, authorization=token)

    assert answer.headers["retry-after"] in pauses


async def test_a_token_without_a_time_of_signing_gets_the_shortest_retry_after(
    app: FastAPI, dispatcher: MemoryDispatcher
) -> None:
    dispatcher.problem = REDIS_AWAY
    body = encoded("room_started")
    claims = jwt.decode(sign(body, KEY, SECRET), options={"verify_signature": False})
    del claims["nbf"], claims["iat"]

    answer = await post(app, body, authorization=jwt.encode(claims, SECRET, algorithm="HS256"))

    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        (lambda _: "", "token_missing"),
        (lambda _: "x.y.z", "token_invalid"),
        (lambda body: sign(body, KEY, SECRET[::-1]), "token_invalid"),
        (lambda body: sign(body, "other", SECRET), "key_unknown"),
        (lambda body: sign(body, KEY, SECRET, expires_in_s=-60), "token_out_of_time"),
        (lambda body: sign(body + b" ", KEY, SECRET), "body_mismatch"),
    ],
)
@pytest.mark.parametrize("body", [encoded("room_started"), b"{"])
async def test_a_webhook_that_livekit_did_not_sign_is_rejected_before_it_is_parsed(
    app: FastAPI, dispatcher: MemoryDispatcher, body: bytes, signed: Callable[[bytes], str], reason: str
) -> None:
    answer = await post(app, body, authorization=signed(body))

    assert (answer.status, answer.json) == (401, {"outcome": "rejected", "reason": reason})
    assert not dispatcher.opened
    assert await rejections(app, reason) == 1


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 400, "event_malformed"),
        (b"[]", 400, "event_malformed"),
        (encoded("room_started", room={"name": "x"}), 400, "event_malformed"),
        (encoded("room_started", room={**ROOM, "metadata": "x" * 2000}), 413, "body_too_large"),
    ],
)
async def test_a_webhook_that_livekit_signed_and_that_is_not_valid_is_rejected(
    app: FastAPI, dispatcher: MemoryDispatcher, body: bytes, status: int, reason: str
) -> None:
    answer = await post(app, body)

    assert (answer.status, answer.json) == (status, {"outcome": "rejected", "reason": reason})
    assert not dispatcher.opened
    assert await rejections(app, reason) == 1


async def rejections(app: FastAPI, reason: str) -> float:
    text = (await request(app, "GET", "/metrics")).body.decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return sum(
        sample.value
        for sample in samples
        if sample.name == "switchboard_webhook_rejections_total" and sample.labels == {"reason": reason}
    )


async def test_nothing_secret_is_logged_at_any_level(
    app: FastAPI, dispatcher: MemoryDispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = encoded("room_started")
    forged = sign(body, KEY, "a guessed secret, which is as long as it should be")

    await post(app, body)
    await post(app, body, authorization=forged)
    await post(app, encoded("room_started", room={**ROOM, "sid": ""}))
    dispatcher.problem = REDIS_AWAY
    await post(app, body)

    logged = " ".join(str(vars(record)) for record in caplog.records)
    assert "RM_1" in logged
    for secret in ("hush", "call-acme-1", SECRET, sign(body, KEY, SECRET), *forged.split(".")):
        assert secret not in logged


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
async def test_the_app_does_not_serve_its_document_by_default(app: FastAPI, path: str) -> None:
    assert (await request(app, "GET", path)).status == 404


async def test_only_post_is_a_webhook(app: FastAPI) -> None:
    assert (await request(app, "GET", "/livekit/webhook")).status == 405
