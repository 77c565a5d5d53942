"""Rooms for which the LiveKit server was asked to dispatch an agent by its name, and rooms with SIP callers."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from livekit import api

from ops.caller.caller import Caller
from ops.stack.livekit import LiveKitServer
from tasks.call.options import call_options
from tasks.rooms import ClaimRefusal, RoomStore
from tasks.settings import Settings
from tasks.tenants import Tenant
from tests.integration.calls.client import NUMBER, Client, rooms_named
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TENANT = Tenant(id="acme", tier="premium", agent_metadata="of the tenant")


def new_name() -> str:
    return f"call-acme-{uuid.uuid4().hex}"


def asking(*names: str, metadata: str = "") -> list[api.RoomAgentDispatch]:
    return [api.RoomAgentDispatch(agent_name=name, metadata=metadata) for name in names]


async def create(server: api.LiveKitAPI, name: str, agents: list[api.RoomAgentDispatch]) -> str:
    room = await server.room.create_room(api.CreateRoomRequest(name=name, agents=agents))
    return str(room.sid)


async def outcome(backend: Client, value: str) -> float:
    return await backend.counted("switchboard_webhook_events_total", outcome=value)


async def job_metadata(rooms: RoomStore, sid: str, settings: dict[str, str]) -> str:
    """`ctx.job.metadata` of the room's call."""
    claim = await rooms.claim(sid, 1, claimant="a", worker="celery@one", pid=7)
    assert not isinstance(claim, ClaimRefusal)
    return call_options(claim, TENANT, {}, Settings.read(settings), claimed_at=0).agent_metadata


async def until_open(rooms: RoomStore, sid: str) -> None:
    async def is_open() -> bool:
        return await rooms.get(sid) is not None

    await until(is_open)


async def test_a_room_that_asks_for_another_workers_agent_is_left_to_livekit(
    backend: Client, rooms: RoomStore, server: api.LiveKitAPI
) -> None:
    before = await outcome(backend, "left")

    await create(server, new_name(), asking("somebody-else"))

    async def is_left() -> bool:
        return await outcome(backend, "left") > before

    await until(is_left)
    assert await rooms.list_all() == []


async def test_a_token_that_asks_for_another_workers_agent_keeps_ours_away(
    backend: Client, rooms: RoomStore, server: api.LiveKitAPI, livekit: LiveKitServer
) -> None:
    before = await outcome(backend, "left")
    token = (
        api.AccessToken(livekit.api_key, livekit.api_secret)
        .with_identity("caller")
        .with_grants(api.VideoGrants(room_join=True, room=new_name()))
        .with_room_config(api.RoomConfiguration(agents=asking("somebody-else")))
    )

    async with Caller.call(livekit.url, token.to_jwt()):

        async def both_events_are_left() -> bool:
            # room_started and participant_joined
            return await outcome(backend, "left") >= before + 2

        await until(both_events_are_left)
    assert await rooms.list_all() == []


@pytest.mark.parametrize("names", [("reception",), ("somebody-else", "reception")])
async def test_a_room_that_asks_for_one_of_ours_gets_the_metadata_of_that_dispatch(
    rooms: RoomStore, server: api.LiveKitAPI, settings: dict[str, str], names: tuple[str, ...]
) -> None:
    sid = await create(server, new_name(), asking(*names, metadata='{"phone_number": "+15550001111"}'))

    await until_open(rooms, sid)
    assert await job_metadata(rooms, sid, settings) == '{"phone_number": "+15550001111"}'


async def test_a_room_that_asks_for_nobody_gets_the_tenants_metadata(
    rooms: RoomStore, server: api.LiveKitAPI, settings: dict[str, str]
) -> None:
    sid = await create(server, new_name(), [])

    await until_open(rooms, sid)
    assert await job_metadata(rooms, sid, settings) == "of the tenant"


async def test_the_agents_metadata_of_a_requested_call_reaches_the_agent_alone(
    backend: Client, rooms: RoomStore, server: api.LiveKitAPI, settings: dict[str, str], directory: Path
) -> None:
    private = "dial +15550001111"
    wanted = {"tenant_id": "acme", "metadata": {"order": 1}, "agent_metadata": private}

    made = (await backend.call(wanted, idempotency_key="1")).json

    (room,) = await rooms_named(server, made["room"])
    assert private not in room.metadata
    dumps = [await dump(rooms, str(key)) for key in await rooms.redis.keys()]
    assert [text for text in dumps if private in text] == []
    assert private not in written(directory)
    assert await job_metadata(rooms, made["sid"], settings) == private
    # The same request again, and another one with the same key.
    assert (await backend.call(wanted, idempotency_key="1")).json["sid"] == made["sid"]
    other = await backend.call({**wanted, "agent_metadata": "dial +15550002222"}, idempotency_key="1")
    assert other.problem == (409, "idempotency_key_reused", ["Idempotency-Key"])


def written(directory: Path) -> str:
    return "".join(path.read_text() for path in sorted(directory.glob("receiver-*.log")))


async def dump(rooms: RoomStore, key: str) -> str:
    kind = await rooms.redis.type(key)
    if kind == "hash":
        return str(await rooms.redis.hgetall(key))
    if kind == "string":
        return str(await rooms.redis.get(key))
    return str(await rooms.redis.lrange(key, 0, -1)) if kind == "list" else ""


@pytest.mark.parametrize("wanted", [7, None, {"a": 1}, "\u00e9" * (8 << 10) + "x"])
async def test_agent_metadata_is_a_text_of_at_most_16_kib(backend: Client, wanted: object) -> None:
    refused = await backend.call({"tenant_id": "acme", "agent_metadata": wanted})

    assert refused.problem == (422, "fields_invalid", ["agent_metadata"])


async def test_a_call_of_a_native_trunk_is_opened_when_its_caller_comes(
    rooms: RoomStore, livekit: LiveKitServer
) -> None:
    # As LiveKit's SIP server joins for a call: its token has the kind and the attributes.
    token = (
        api.AccessToken(livekit.api_key, livekit.api_secret)
        .with_identity("sip_+15557654321")
        .with_kind("sip")
        .with_grants(api.VideoGrants(room_join=True, room="call-_+15557654321_aBcDeFgHiJkL"))
        .with_attributes({"sip.trunkID": "ST_1", "sip.ruleID": "SDR_1", "sip.trunkPhoneNumber": NUMBER})
    )
    async with Caller.call(livekit.url, token.to_jwt()) as caller:
        await until_open(rooms, caller.room_sid)
        room = await rooms.get(caller.room_sid)
    assert room is not None
    assert (room.tenant, room.reason) == ("acme", "")
