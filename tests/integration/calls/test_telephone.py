"""Telephone calls, with requests as Twilio sends them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from livekit import api

from ops.stack.livekit import LiveKitServer
from tasks.rooms import RoomStore, State
from tests.integration.calls.client import (
    ACME_KEY,
    AUTH_TOKEN,
    CALLER,
    NEW_AUTH_TOKEN,
    NUMBER,
    SIP_PASSWORD,
    SMALL_NUMBER,
    Answer,
    Client,
    incoming,
    rooms_named,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


def verbs(answer: Answer) -> list[tuple[str, dict[str, str]]]:
    assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, "application/xml")
    return [(verb.tag, verb.attrib) for verb in answer.xml]


def written(directory: Path) -> str:
    return "".join(path.read_text() for path in sorted(directory.glob("receiver-*.log")))


async def test_a_call_is_connected_to_a_room_whose_agent_is_on_its_way(
    backend: Client, rooms: RoomStore, server: api.LiveKitAPI
) -> None:
    form = incoming()

    answer = await backend.telephone(form)

    assert verbs(answer) == [("Dial", {"answerOnBridge": "true"})]
    (made,) = await rooms_named(server, answer.dialled)
    assert json.loads(made.metadata) == {
        "tenant_id": "acme",
        "caller_number": CALLER,
        "called_number": NUMBER,
        "twilio_call_sid": form["CallSid"],
    }
    room = await rooms.get(made.sid)
    assert room is not None
    assert (room.name, room.tenant, room.state) == (answer.dialled, "acme", State.QUEUED)


async def test_all_requests_of_twilio_for_one_call_get_the_same_room(clients: list[Client], rooms: RoomStore) -> None:
    form = incoming()

    answers = await asyncio.gather(*(clients[number % 2].telephone(form) for number in range(10)))
    later = await clients[0].telephone({**form, "CallStatus": "in-progress"}, query="?try=2")

    assert {answer.dialled for answer in answers} == {later.dialled}
    assert len(await rooms.list_open()) == 1


async def test_two_calls_from_the_same_telephone_have_two_rooms(backend: Client, rooms: RoomStore) -> None:
    assert (await backend.telephone(incoming())).dialled != (await backend.telephone(incoming())).dialled


@pytest.mark.parametrize("to", [f"sip:{NUMBER}@acme.sip.twilio.com", f"sip:{NUMBER[1:]}@host;user=phone", NUMBER[1:]])
async def test_a_number_may_be_the_user_of_a_sip_address(backend: Client, rooms: RoomStore, to: str) -> None:
    assert (await backend.telephone(incoming(To=to))).dialled.startswith("call-acme-")


async def test_a_number_that_no_tenant_has_is_rejected_and_counted(backend: Client, rooms: RoomStore) -> None:
    before = await backend.counted("switchboard_twilio_requests_total", outcome="unknown_number")

    answer = await backend.telephone(incoming(To="+15559999999"))

    assert verbs(answer) == [("Reject", {})]
    assert await backend.counted("switchboard_twilio_requests_total", outcome="unknown_number") == before + 1
    assert await rooms.list_all() == []


async def test_a_tenant_whose_declaration_is_not_valid_is_busy(backend: Client, rooms: RoomStore) -> None:
    assert verbs(await backend.telephone(incoming(To="+15550000000"))) == [("Reject", {"reason": "busy"})]


async def test_a_tenant_whose_calls_may_not_wait_is_busy_during_one(backend: Client, rooms: RoomStore) -> None:
    assert verbs(await backend.telephone(incoming(To=SMALL_NUMBER)))[0][0] == "Dial"
    assert verbs(await backend.telephone(incoming(To=SMALL_NUMBER))) == [("Reject", {"reason": "busy"})]


async def test_either_auth_token_is_valid_during_a_rotation(backend: Client, rooms: RoomStore) -> None:
    assert (await backend.telephone(incoming(), token=NEW_AUTH_TOKEN)).status == 200
    assert (await backend.telephone(incoming(), token="another")).problem == (403, "signature_invalid", [])


async def test_a_request_that_twilio_did_not_sign_is_refused(backend: Client, rooms: RoomStore) -> None:
    form = incoming()
    signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    for refused in (
        await backend.telephone(form, signature=""),
        await backend.telephone(form, signature=signature),
        await backend.telephone(form, signature="\u00e9"),
        await backend.send("POST", "/twilio/incoming", b"\xff\xfe=&%", {"X-Twilio-Signature": signature}),
    ):
        assert refused.problem == (403, "signature_invalid", [])
    assert await rooms.list_all() == []


@pytest.mark.parametrize("missing", ["CallSid", "To"])
async def test_a_form_without_a_required_parameter_is_refused(backend: Client, rooms: RoomStore, missing: str) -> None:
    form = {name: value for name, value in incoming().items() if name != missing}

    assert (await backend.telephone(form)).problem == (400, "form_incomplete", [])


async def test_no_number_and_no_secret_is_in_a_log(
    backend: Client, rooms: RoomStore, directory: Path, livekit: LiveKitServer
) -> None:
    form = incoming()
    await backend.telephone(form)
    await backend.telephone(incoming(To="+15559999999"))
    await backend.telephone(form, token="another")
    made = await backend.call({"tenant_id": "acme", "identity": "ada", "metadata": {"mind": "private"}})

    logs = written(directory)
    assert "call made" in logs
    secrets = (ACME_KEY, AUTH_TOKEN, SIP_PASSWORD, livekit.api_secret, made.json["token"])
    personal = (NUMBER, CALLER, "5559999999", "private")
    for text in (*secrets, *personal):
        assert text not in logs
