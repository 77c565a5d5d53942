"""One Redis, one livekit-server and two receivers for all tests of a module. There are no workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from livekit import api

from ops.stack import environment
from ops.stack.binaries import Binaries
from ops.stack.livekit import LiveKitServer
from ops.stack.ports import PortPicker
from ops.stack.receiver import Receiver
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore
from tasks.settings import DatabaseSettings
from tests.integration.calls import client
from tests.integration.calls.client import Client, rooms_named
from tests.support import databases
from tests.support.key_leaks import leaked_keys
from tests.support.livekit_server import livekit_server
from tests.support.tenants import declare
from tests.support.waiting import until

LAST_WEBHOOK_SECONDS = 30.0
"""livekit-server tries to deliver an event for 15 s."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calls")


@pytest.fixture(scope="module")
def ports() -> PortPicker:
    return PortPicker()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def redis_server(binaries: Binaries, directory: Path, ports: PortPicker) -> AsyncIterator[RedisServer]:
    # One that is killed still has its tenants when it comes back.
    server = RedisServer(
        directory, environment.inherited(), binary=str(binaries.redis), port=ports.pick(), append_only=True
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture(scope="module")
def receiver_ports(ports: PortPicker) -> list[int]:
    return [ports.pick(), ports.pick()]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def livekit(
    binaries: Binaries, directory: Path, ports: PortPicker, receiver_ports: list[int]
) -> AsyncIterator[LiveKitServer]:
    """It sends its webhooks to the first receiver."""
    webhook_url = f"http://127.0.0.1:{receiver_ports[0]}/livekit/webhook"
    async with livekit_server(binaries, directory, ports, webhook_url=webhook_url) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(directory: Path) -> DatabaseSettings:
    """A database with the schema of this version, and no records."""
    return await databases.sqlite(directory)


@pytest.fixture(scope="module")
def settings(
    directory: Path, redis_server: RedisServer, livekit: LiveKitServer, database: DatabaseSettings
) -> dict[str, str]:
    """The environment of the receivers."""
    return {
        "SWITCHBOARD_DATABASE_URL": database.url.get_secret_value(),
        "LIVEKIT_URL": livekit.url,
        "LIVEKIT_API_KEY": livekit.api_key,
        "LIVEKIT_API_SECRET": livekit.api_secret,
        "REDIS_URL": redis_server.url,
        # Each room has to be in the queue at once, for the tests to count tasks.
        "SWITCHBOARD_QUEUED_PER_TENANT": "100000",
        "SWITCHBOARD_LOG_LEVEL": "DEBUG",
        **client.SETTINGS,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receivers(
    directory: Path, settings: dict[str, str], receiver_ports: list[int]
) -> AsyncIterator[list[Receiver]]:
    env = environment.inherited() | settings
    both = [Receiver(f"receiver-{number}", directory, env, port=port) for number, port in enumerate(receiver_ports)]
    async with AsyncExitStack() as stack:
        for receiver in both:
            await receiver.start()
            stack.push_async_callback(receiver.stop)
        yield both


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(receivers: list[Receiver]) -> AsyncIterator[list[Client]]:
    """One client for each receiver."""
    async with aiohttp.ClientSession() as session:
        yield [Client(session, receiver.port) for receiver in receivers]


@pytest.fixture
def backend(clients: list[Client]) -> Client:
    return clients[0]


@pytest_asyncio.fixture(loop_scope="module")
async def server(livekit: LiveKitServer) -> AsyncIterator[api.LiveKitAPI]:
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as livekit_api:
        yield livekit_api


@pytest_asyncio.fixture(loop_scope="module")
async def rooms(redis_server: RedisServer, backend: Client, server: api.LiveKitAPI) -> AsyncIterator[RoomStore]:
    """The rooms of `redis_server`, none at first. Afterwards each key must have a TTL or be a permanent one."""
    await _close_rooms(server, backend)
    async with redis_server.client() as connection:
        await connection.flushdb()
        await declare(connection, client.TENANTS)
        yield RoomStore(connection)
    # A test that killed Redis has killed the first client's connection, too.
    async with redis_server.client() as connection:
        assert await leaked_keys(connection) == []


async def _close_rooms(server: api.LiveKitAPI, backend: Client) -> None:
    """Close the rooms of earlier tests, and wait for their last webhooks: a late one would open a room in this test."""
    finished = {"event": "room_finished"}
    before = await backend.counted("switchboard_webhook_events_total", **finished)
    listed = await rooms_named(server)
    for room in listed:
        await server.room.delete_room(api.DeleteRoomRequest(room=room.name))

    async def all_announced() -> bool:
        return await backend.counted("switchboard_webhook_events_total", **finished) >= before + len(listed)

    await until(all_announced, LAST_WEBHOOK_SECONDS)
