"""One Redis and two receivers for all tests of a module: each takes half a second to start and keeps nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from ops.stack import environment
from ops.stack.binaries import Binaries
from ops.stack.ports import PortPicker
from ops.stack.receiver import Receiver
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore
from tests.integration.webhooks.sender import KEY, OLD_KEY, OLD_SECRET, SECRET, Sender
from tests.support.key_leaks import leaked_keys
from tests.support.tenants import declare

TENANTS = """
[tenants.acme]
tier = "premium"
[tenants.basic]
tier = "free"
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("webhooks")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def redis_server(binaries: Binaries, directory: Path) -> AsyncIterator[RedisServer]:
    """As the fixture that all tests share, but for a whole module."""
    # One that is killed still has its tenants when it comes back.
    server = RedisServer(
        directory, environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick(), append_only=True
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receivers(directory: Path, redis_server: RedisServer) -> AsyncIterator[list[Receiver]]:
    """Two receivers, as behind the load balancer."""
    env = environment.inherited() | {
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "SWITCHBOARD_WEBHOOK_KEYS": f"{OLD_KEY}:{OLD_SECRET}",
        # Each room has to be in the queue at once, for the tests to count tasks.
        "SWITCHBOARD_QUEUED_PER_TENANT": "100000",
        "SWITCHBOARD_LOG_LEVEL": "DEBUG",
        "REDIS_URL": redis_server.url,
    }
    ports = PortPicker()
    both = [Receiver(f"receiver-{number}", directory, env, port=ports.pick()) for number in (1, 2)]
    async with AsyncExitStack() as stack:
        for receiver in both:
            await receiver.start()
            stack.push_async_callback(receiver.stop)
        yield both


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def senders(receivers: list[Receiver]) -> AsyncIterator[list[Sender]]:
    """One sender for each receiver."""
    # No connection is kept, which a receiver may close just when the next webhook is sent.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield [Sender(session, receiver.port) for receiver in receivers]


@pytest.fixture
def sender(senders: list[Sender]) -> Sender:
    return senders[0]


@pytest_asyncio.fixture(loop_scope="module")
async def rooms(redis_server: RedisServer) -> AsyncIterator[RoomStore]:
    """The rooms of `redis_server`: none at first, but two tenants. Afterwards no key is left that would stay."""
    async with redis_server.client() as client:
        await client.flushdb()
        await declare(client, TENANTS)
        yield RoomStore(client)
    # A test that killed Redis has killed the first client's connection, too.
    async with redis_server.client() as client:
        assert await leaked_keys(client) == []
