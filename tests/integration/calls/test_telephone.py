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
    OTHER_ACCOUNT,
    OTHER_TOKEN,
    PUBLIC_URL,
    SIP_PASSWORD,
    SMALL_NUMBER,
    Answer,
    Client,
    incoming,
    rooms_named,
)
from webhooks import twilio_signature

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

    # It rings for a little longer than calls of its tier may wait, and then it is asked what to say.
    ((verb, attributes),) = verbs(answer)
    action = f"{PUBLIC_URL}/twilio/dialled"
    dial = {"answerOnBridge": "true", "timeout": "56", "action": action, "method": "POST"}
    assert (verb, attributes) == ("Dial", dial)
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


async def test_a_call_of_a_tier_that_may_wait_rings_for_as_long_as_twilio_lets_it(
    backend: Client, rooms: RoomStore
) -> None:
    form = incoming(To="+15552222222", AccountSid=OTHER_ACCOUNT)
    ((_, attributes),) = verbs(await backend.telephone(form, token=OTHER_TOKEN))
    assert attributes["timeout"] == "600"


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled", "something-new"])
async def test_a_call_that_nobody_answered_is_busy(backend: Client, status: str) -> None:
    before = await backend.counted("switchboard_twilio_requests_total", outcome="not_answered")
    form = incoming(DialCallStatus=status, DialSipResponseCode="486")
    assert verbs(await backend.telephone(form, path="/twilio/dialled")) == [("Reject", {"reason": "busy"})]
    assert await backend.counted("switchboard_twilio_requests_total", outcome="not_answered") == before + 1


@pytest.mark.parametrize("status", ["completed", "answered"])
async def test_a_call_that_is_over_is_hung_up(backend: Client, status: str) -> None:
    answer = await backend.telephone(incoming(DialCallStatus=status), path="/twilio/dialled")
    assert verbs(answer) == [("Hangup", {})]


async def test_the_end_of_a_call_is_signed_like_its_beginning(backend: Client) -> None:
    form = incoming(DialCallStatus="busy")
    path = "/twilio/dialled"
    assert (await backend.telephone(form, path=path, token="another")).problem == (403, "signature_invalid", [])
    assert (await backend.telephone(form, path=path, signature="")).problem == (403, "signature_invalid", [])
    assert (await backend.telephone(incoming(), path=path)).problem == (400, "form_incomplete", [])
    # The signature is of the URL, so that of one path is none of another.
    signed = twilio_signature.sign(f"{PUBLIC_URL}/twilio/incoming", list(form.items()), AUTH_TOKEN)
    assert (await backend.telephone(form, path=path, signature=signed)).problem == (403, "signature_invalid", [])


async def test_an_account_speaks_for_its_own_numbers_alone(backend: Client, rooms: RoomStore) -> None:
    own = incoming(To="+15552222222", AccountSid=OTHER_ACCOUNT)
    assert (await backend.telephone(own, token=OTHER_TOKEN)).dialled.startswith("call-basic-")
    for form, token in (
        (incoming(AccountSid=OTHER_ACCOUNT), OTHER_TOKEN),
        (incoming(To="+15552222222"), AUTH_TOKEN),
        # With two accounts, numbers of a tenant that names none are nobody's.
        (incoming(To="+15553333333"), AUTH_TOKEN),
    ):
        answer = await backend.telephone(form, token=token)
        assert verbs(answer) == [("Reject", {})]
        assert SIP_PASSWORD not in answer.text
    assert len(await rooms.list_open()) == 1


@pytest.mark.parametrize("account", [OTHER_ACCOUNT, f"AC{3:032}", "", "AC", None])
async def test_a_token_signs_for_no_other_account(backend: Client, rooms: RoomStore, account: str | None) -> None:
    form = incoming()
    if account is None:
        del form["AccountSid"]
    else:
        form["AccountSid"] = account
    assert (await backend.telephone(form)).problem == (403, "signature_invalid", [])


async def test_the_calls_of_two_accounts_with_one_sid_are_two(backend: Client, rooms: RoomStore) -> None:
    form = incoming()
    other = {**form, "To": "+15552222222", "AccountSid": OTHER_ACCOUNT}
    first, second = await backend.telephone(form), await backend.telephone(other, token=OTHER_TOKEN)
    assert first.dialled != second.dialled


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
