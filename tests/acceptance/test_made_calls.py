"""Calls that a backend or Twilio has asked for, heard by their callers."""

from __future__ import annotations

import hashlib
import secrets
import statistics
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import aiohttp
import pytest
import pytest_asyncio
from livekit import api

from ops.caller.caller import Caller
from ops.caller.milestones import Milestone
from ops.stack import Binaries, Stack, StackOptions, WorkerSpec
from tasks.rooms import Room, RoomStore, State
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.speech import answered_rightly
from webhooks.twilio_signature import sign

CALLS: Final = 3
ACCOUNT = f"AC{1:032}"
KEY, AUTH_TOKEN, NUMBER = secrets.token_urlsafe(), secrets.token_urlsafe(), "+15551234567"
PUBLIC_URL: Final = "https://calls.example.com"
TENANTS: Final = f'[tenants.acme]\ntier = "premium"\nnumbers = ["{NUMBER}"]\n'


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """Two receivers behind the load balancer, which let a backend and Twilio in, and one worker."""
    directory = tmp_path_factory.mktemp("made_calls")
    tenants, load = directory / "tenants.toml", directory / "load"
    tenants.write_text(TENANTS)
    load.write_text("0.1")
    options = StackOptions(
        directory=directory,
        binaries=binaries,
        workers=(WorkerSpec("premium", ("premium",)),),
        tenants=tenants,
        env={
            "SWITCHBOARD_EMPTY_GRACE_SECONDS": "1",
            "SWITCHBOARD_LOAD_FILE": str(load),
            "SWITCHBOARD_API_KEYS": f"acme=sha256:{hashlib.sha256(KEY.encode()).hexdigest()}",
            "SWITCHBOARD_TWILIO_AUTH_TOKENS": f"{ACCOUNT}={AUTH_TOKEN}",
            "SWITCHBOARD_PUBLIC_URL": PUBLIC_URL,
            "SWITCHBOARD_SIP_URI": "sip:sip.example.com",
        },
    )
    async with Stack.start(options) as stack, stack.redis.client() as client:
        yield Installation(stack, RoomStore(client))


def address(own: Installation, path: str) -> str:
    """Where the load balancer is."""
    return own.stack.webhook_url.replace("/livekit/webhook", path)


async def make(own: Installation, **wanted: Any) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session,
        session.post(address(own, "/calls"), json={"tenant_id": "acme", **wanted}) as response,
    ):
        assert response.status == 201
        made: dict[str, Any] = await response.json()
        return made


async def telephone(own: Installation) -> str:
    """The room that Twilio is told to connect a call to."""
    form = {"AccountSid": ACCOUNT, "CallSid": f"CA{uuid.uuid4().hex}", "To": NUMBER, "From": "+15557654321"}
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": sign(f"{PUBLIC_URL}/twilio/incoming", list(form.items()), AUTH_TOKEN),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(address(own, "/twilio/incoming"), data=urlencode(form), headers=headers) as response,
    ):
        assert response.status == 200
        uri = ET.fromstring(await response.text()).findtext("Dial/Sip")  # noqa: S314 - it is our own
    assert uri is not None
    return uri.removeprefix("sip:").partition("@")[0]


def joined(room: Room) -> bool:
    return room.state is State.RUNNING and "joined" in room.steps_ms


async def test_a_caller_with_the_token_is_answered_by_an_agent_that_was_there_first(own: Installation) -> None:
    made = await make(own, metadata={"order": 1017})
    await own.reaches(made["sid"], joined)

    async with Caller.call(made["url"], made["token"]) as caller:
        await answered_rightly(caller)
        assert caller.room_sid == made["sid"]
        assert caller.room.local_participant.identity == made["identity"]
        room = await own.reaches(made["sid"], State.RUNNING)
        assert room.attempt == 1
    await own.reaches(made["sid"], State.ENDED)


async def test_a_caller_of_a_room_that_was_made_hears_the_agent_at_once(
    own: Installation, record_property: Callable[[str, object], None]
) -> None:
    waited: list[float] = []
    at_once: list[float] = []
    for number in range(2 * CALLS):
        made = await make(own)
        if number % 2:
            # A person takes a moment between asking for a call and joining it.
            await own.reaches(made["sid"], joined)
        async with Caller.call(made["url"], made["token"]) as caller:
            await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
            ms = caller.milestones.ms
            (waited if number % 2 else at_once).append(ms[Milestone.FIRST_SOUND] - ms[Milestone.CONNECTED])
        await own.reaches(made["sid"], State.ENDED)
    record_property("first_sound_after_connected_ms", [round(ms) for ms in at_once])
    record_property("first_sound_after_connected_ms_agent_there", [round(ms) for ms in waited])
    assert statistics.median(waited) < 1000


async def test_a_call_by_telephone_is_answered(own: Installation) -> None:
    name = await telephone(own)
    livekit = own.stack.livekit
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
        room = await own.reaches(sid, State.RUNNING)
        assert (room.name, room.tenant, room.attempt) == (name, "acme", 1)
    # Its hanging up is noticed, as anybody's.
    await own.reaches(sid, State.ENDED)


async def test_no_key_and_no_number_is_in_any_log(own: Installation) -> None:
    made = await make(own)
    await own.reaches(made["sid"], joined)
    for room in (made["room"], await telephone(own)):
        await own.delete_room(room)
    await own.all_calls_over()
    logs = written(own.stack.directory)
    assert "call made" in logs
    for text in (KEY, AUTH_TOKEN, NUMBER, "5557654321", own.stack.livekit.api_secret):
        assert text not in logs


def written(directory: Path) -> str:
    """What all processes of ours have logged.

    livekit-server writes the metadata of rooms into its own log, and `tenants apply` tells its operator the numbers of
    the file.
    """
    ours = [path for path in directory.glob("*.log") if not path.name.startswith(("livekit", "tenants"))]
    return "".join(path.read_text() for path in sorted(ours))


async def test_a_probe_requests_its_call_as_a_backend_does_and_says_when_it_is_refused(
    own: Installation, tmp_path: Path
) -> None:
    key, wrong = tmp_path / "key", tmp_path / "wrong"
    key.write_text(f"{KEY}\n")
    wrong.write_text("another-key")
    call = ("probe", "acme", "--calls-url", address(own, "/calls"), "--api-key-file")
    status, output, problem = await own.switchboard(*call, str(key))
    assert (status, problem) == (0, ""), output
    assert output.splitlines()[-1] == "acme: ok"
    status, output, _ = await own.switchboard(*call, str(wrong))
    assert status == 1
    assert "is refused (401): api_key_unknown" in output
    assert (await own.switchboard("probe", "acme", "--calls-url", address(own, "/calls")))[0] == 2
