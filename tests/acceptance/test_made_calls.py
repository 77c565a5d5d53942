"""Calls that a backend or Twilio has asked for, heard by their callers."""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import aiohttp
from livekit import api

from ops.caller.caller import Caller
from ops.caller.milestones import Milestone
from tasks.rooms import Room, State
from tests.acceptance.installation import (
    ANSWER_SECONDS,
    API_KEY,
    NUMBER,
    PUBLIC_URL,
    TWILIO_ACCOUNT,
    TWILIO_TOKEN,
    Installation,
)
from tests.acceptance.speech import answered_rightly
from webhooks.twilio_signature import sign

CALLS: Final = 3


def address(running: Installation, path: str) -> str:
    """Where the load balancer is."""
    return running.stack.webhook_url.replace("/livekit/webhook", path)


async def make(running: Installation, **wanted: Any) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {API_KEY}"}) as session,
        session.post(address(running, "/calls"), json={"tenant_id": "acme", **wanted}) as response,
    ):
        assert response.status == 201
        made: dict[str, Any] = await response.json()
        return made


async def telephone(running: Installation) -> str:
    """The room that Twilio is told to connect a call to."""
    form = {"AccountSid": TWILIO_ACCOUNT, "CallSid": f"CA{uuid.uuid4().hex}", "To": NUMBER, "From": "+15557654321"}
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": sign(f"{PUBLIC_URL}/twilio/incoming", list(form.items()), TWILIO_TOKEN),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(address(running, "/twilio/incoming"), data=urlencode(form), headers=headers) as response,
    ):
        assert response.status == 200
        uri = ET.fromstring(await response.text()).findtext("Dial/Sip")  # noqa: S314 - it is our own
    assert uri is not None
    return uri.removeprefix("sip:").partition("@")[0]


def joined(room: Room) -> bool:
    return room.state is State.RUNNING and "joined" in room.steps_ms


async def test_a_caller_with_the_token_is_answered_by_an_agent_that_was_there_first(running: Installation) -> None:
    made = await make(running, metadata={"order": 1017})
    await running.reaches(made["sid"], joined)

    async with Caller.call(made["url"], made["token"]) as caller:
        await answered_rightly(caller)
        assert caller.room_sid == made["sid"]
        assert caller.room.local_participant.identity == made["identity"]
        room = await running.reaches(made["sid"], State.RUNNING)
        assert room.attempt == 1
    await running.reaches(made["sid"], State.ENDED)


async def test_a_caller_of_a_room_that_was_made_hears_the_agent_at_once(
    running: Installation, record_property: Callable[[str, object], None]
) -> None:
    waited: list[float] = []
    at_once: list[float] = []
    for number in range(2 * CALLS):
        made = await make(running)
        if number % 2:
            # A person takes a moment between asking for a call and joining it.
            await running.reaches(made["sid"], joined)
        async with Caller.call(made["url"], made["token"]) as caller:
            await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
            ms = caller.milestones.ms
            (waited if number % 2 else at_once).append(ms[Milestone.FIRST_SOUND] - ms[Milestone.CONNECTED])
        await running.reaches(made["sid"], State.ENDED)
    record_property("first_sound_after_connected_ms", [round(ms) for ms in at_once])
    record_property("first_sound_after_connected_ms_agent_there", [round(ms) for ms in waited])
    assert statistics.median(waited) < 1000


async def test_a_call_by_telephone_is_answered(running: Installation) -> None:
    name = await telephone(running)
    livekit = running.stack.livekit
    # The attributes of a caller that LiveKit's SIP server has sent to this room by a dispatch rule.
    token = (
        api.AccessToken(livekit.api_key, livekit.api_secret)
        .with_identity("sip_0123456789abcdef")
        .with_kind("sip")
        .with_grants(api.VideoGrants(room_join=True, room=name))
        .to_jwt()
    )
    async with Caller.call(livekit.url, token) as caller:
        await answered_rightly(caller)
        sid = caller.room_sid
        room = await running.reaches(sid, State.RUNNING)
        assert (room.name, room.tenant, room.attempt) == (name, "acme", 1)
    # Its hanging up is noticed, as anybody's.
    await running.reaches(sid, State.ENDED)


async def test_no_key_and_no_number_is_in_any_log(running: Installation) -> None:
    made = await make(running)
    await running.reaches(made["sid"], joined)
    for room in (made["room"], await telephone(running)):
        await running.delete_room(room)
    await running.all_calls_over()
    logs = written(running.stack.directory)
    assert "call made" in logs
    for text in (API_KEY, TWILIO_TOKEN, NUMBER, "5557654321", running.stack.livekit.api_secret):
        assert text not in logs


def written(directory: Path) -> str:
    """What all processes of ours have logged.

    livekit-server writes the metadata of rooms into its own log, and `tenants apply` tells its operator the numbers of
    the file.
    """
    ours = [path for path in directory.glob("*.log") if not path.name.startswith(("livekit", "tenants"))]
    return "".join(path.read_text() for path in sorted(ours))


async def test_a_probe_requests_its_call_as_a_backend_does_and_says_when_it_is_refused(
    running: Installation, tmp_path: Path
) -> None:
    key, wrong = tmp_path / "key", tmp_path / "wrong"
    key.write_text(f"{API_KEY}\n")
    wrong.write_text("another-key")
    call = ("probe", "acme", "--calls-url", address(running, "/calls"), "--api-key-file")
    status, output, problem = await running.switchboard(*call, str(key))
    assert (status, problem) == (0, ""), output
    assert output.splitlines()[-1] == "acme: ok"
    status, output, _ = await running.switchboard(*call, str(wrong))
    assert status == 1
    assert "is refused (401): api_key_unknown" in output
    assert (await running.switchboard("probe", "acme", "--calls-url", address(running, "/calls")))[0] == 2
