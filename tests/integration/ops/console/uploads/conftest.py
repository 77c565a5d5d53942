"""The console's uploads as a server in this process, with a real Redis and a database, and senders of uploads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn

from ops.console.uploads.app import create_app
from ops.recordings.archive import Archive
from ops.stack import environment
from ops.stack.binaries import Binaries
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore
from tasks.settings import Settings
from tests.integration.ops.console.uploads.sender import KEY, SECRET, Sender
from tests.support import databases
from tests.support.tenants import declare

TENANTS = """
[tenants.acme]
tier = "premium"
record = ["audio", "transcript", "traces", "logs"]
[tenants.writer]
tier = "premium"
record = ["transcript"]
[tenants.silent]
tier = "premium"
"""
FERNET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def redis_server(binaries: Binaries, directory: Path) -> AsyncIterator[RedisServer]:
    server = RedisServer(directory, environment.inherited(()), binary=str(binaries.redis), port=PortPicker().pick())
    await server.start()
    async with server.client() as client:
        await declare(client, TENANTS)
    try:
        yield server
    finally:
        await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settings(redis_server: RedisServer, directory: Path) -> Settings:
    database = await databases.sqlite(directory)
    return Settings.read(
        {
            "LIVEKIT_API_KEY": KEY,
            "LIVEKIT_API_SECRET": SECRET,
            "REDIS_URL": redis_server.url,
            "SWITCHBOARD_DATABASE_URL": database.url.get_secret_value(),
            "SWITCHBOARD_RECORDINGS_URL": f"file://{directory}/recordings",
            "SWITCHBOARD_RECORDINGS_ENCRYPTED": "true",
            "SWITCHBOARD_ENCRYPTION_KEYS": FERNET_KEY,
            "SWITCHBOARD_UPLOAD_MAX_BYTES": str(16 << 20),
        }
    )


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[int, Archive]]:
    """Run the app, and return its port."""
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not running.done()
    try:
        yield server.servers[0].sockets[0].getsockname()[1], app.state.archive
    finally:
        server.should_exit = True
        await running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(settings: Settings) -> AsyncIterator[tuple[int, Archive]]:
    async with serving(settings) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def sender(served: tuple[int, Archive], redis_server: RedisServer) -> AsyncIterator[Sender]:
    async with redis_server.client() as client, Sender.open(served[0], RoomStore(client)) as opened:
        yield opened


@pytest.fixture
def archive(served: tuple[int, Archive]) -> Archive:
    return served[1]
