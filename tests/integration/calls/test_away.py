"""Call requests while Redis or the LiveKit server is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from livekit import api

from ops.stack import environment
from ops.stack.livekit import LiveKitServer
from ops.stack.ports import PortPicker
from ops.stack.receiver import Receiver
from ops.stack.redis import RedisServer
from tasks.errors import RedisUnavailable
from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.queue.idempotency import IdempotencyKey
from tasks.rooms import RoomStore
from tasks.settings import Settings
from tests.integration.calls.client import PUBLIC_URL, Client, incoming, rooms_named
from tests.support.outages import killed, paused
from webhooks.call_creator import CallCreator

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGAIN = [("Pause", {"length": "3"}), ("Redirect", {"method": "POST"})]


@pytest_asyncio.fixture(loop_scope="module")
async def without_redis(redis_server: RedisServer, rooms: RoomStore) -> AsyncIterator[RedisServer]:
    async with killed(redis_server):
        yield redis_server


@pytest_asyncio.fixture(loop_scope="module")
async def without_livekit(livekit: LiveKitServer, rooms: RoomStore) -> AsyncIterator[LiveKitServer]:
    with paused(livekit):
        yield livekit


async def test_a_call_while_redis_is_away_is_refused_and_creates_no_room(
    backend: Client, without_redis: RedisServer, server: api.LiveKitAPI
) -> None:
    before = len(await rooms_named(server))
    for key in (None, "1"):
        refused = await backend.call({"tenant_id": "acme"}, idempotency_key=key)
        assert refused.problem == (503, "unavailable", [])
        assert refused.headers["Retry-After"] == "2"
    assert len(await rooms_named(server)) == before

    await without_redis.start()
    assert (await backend.call({"tenant_id": "acme"}, idempotency_key="1")).status == 201


async def test_a_call_while_livekit_does_not_answer_is_refused_within_the_deadline(
    backend: Client, without_livekit: LiveKitServer, rooms: RoomStore
) -> None:
    async with asyncio.timeout(4):
        refused = await backend.call({"tenant_id": "acme"}, idempotency_key="1")
    assert refused.problem == (503, "livekit_unavailable", [])
    assert refused.headers["Retry-After"] == "2"

    without_livekit.resume()
    again = await backend.call({"tenant_id": "acme"}, idempotency_key="1")
    assert again.status == 201
    assert [room.name for room in await rooms.list_open()] == [again.json["room"]]


@pytest.mark.parametrize(("query", "then"), [("", "?try=2"), ("?try=4", "?try=5")])
async def test_a_telephone_goes_on_ringing_while_redis_is_away(
    backend: Client, without_redis: RedisServer, query: str, then: str
) -> None:
    answer = await backend.telephone(incoming(), query=query)

    assert [(verb.tag, verb.attrib) for verb in answer.xml] == AGAIN
    assert answer.xml.findtext("Redirect") == f"{PUBLIC_URL}/twilio/incoming{then}"


async def test_a_telephone_is_busy_after_five_tries(backend: Client, without_redis: RedisServer) -> None:
    answer = await backend.telephone(incoming(), query="?try=5")

    assert [(verb.tag, verb.attrib) for verb in answer.xml] == [("Reject", {"reason": "busy"})]


async def test_a_telephone_that_rang_meanwhile_is_connected_when_livekit_is_back(
    backend: Client, without_livekit: LiveKitServer, rooms: RoomStore
) -> None:
    form = incoming()
    answer = await backend.telephone(form)
    assert [(verb.tag, verb.attrib) for verb in answer.xml] == AGAIN

    without_livekit.resume()
    connected = await backend.telephone(form, query="?try=2")
    assert [room.name for room in await rooms.list_open()] == [connected.dialled]


async def test_a_receiver_with_a_wrong_secret_reports_that_livekit_refused(
    directory: Path, settings: dict[str, str], rooms: RoomStore, ports: PortPicker
) -> None:
    env = environment.inherited() | settings | {"LIVEKIT_API_SECRET": "another secret, which is long enough for it"}
    receiver = Receiver("receiver-wrong", directory, env, port=ports.pick())
    await receiver.start()
    try:
        async with aiohttp.ClientSession() as session:
            backend = Client(session, receiver.port)
            assert (await backend.call({"tenant_id": "acme"})).problem == (502, "livekit_refused", [])
            telephone = await backend.telephone(incoming())
            assert [(verb.tag, verb.attrib) for verb in telephone.xml] == [("Reject", {"reason": "busy"})]
    finally:
        await receiver.stop()


class DyingRedis(Dispatcher):
    """The dispatcher of a receiver whose Redis dies when the room has been created."""

    redis_server: RedisServer

    async def open(self, room: RoomInfo) -> DispatchResult:
        self.redis_server.kill()
        await self.redis_server.exited()
        return await super().open(room)


@pytest.mark.parametrize("key", [None, IdempotencyKey("digest", "fingerprint")])
async def test_a_room_that_could_not_be_dispatched_stays_only_if_a_retry_can_find_it(
    settings: dict[str, str],
    redis_server: RedisServer,
    rooms: RoomStore,
    server: api.LiveKitAPI,
    key: IdempotencyKey | None,
) -> None:
    before = {room.name for room in await rooms_named(server)}
    given = {
        "LIVEKIT_URL": settings["LIVEKIT_URL"],
        "LIVEKIT_API_KEY": settings["LIVEKIT_API_KEY"],
        "LIVEKIT_API_SECRET": settings["LIVEKIT_API_SECRET"],
        "REDIS_URL": redis_server.url,
    }
    dispatcher = DyingRedis.from_settings(Settings.read(given))
    dispatcher.redis_server = redis_server
    creator = CallCreator.from_settings(Settings.read(given), dispatcher)
    try:
        with pytest.raises(RedisUnavailable):
            await creator.create("acme", {}, wait_seconds=60, idempotency_key=key)
    finally:
        await creator.aclose()
        await dispatcher.aclose()
        await redis_server.start()
    left = {room.name for room in await rooms_named(server)} - before
    assert len(left) == (1 if key else 0)
