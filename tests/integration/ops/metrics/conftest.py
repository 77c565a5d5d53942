"""One Redis and one exporter for all tests of a module: the exporter takes a second to start."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from ops.stack import environment
from ops.stack.binaries import Binaries
from ops.stack.exporter import Exporter
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore

ExporterMaker = Callable[..., Exporter]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("metrics")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def redis_server(binaries: Binaries, directory: Path) -> AsyncIterator[RedisServer]:
    server = RedisServer(directory, environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick())
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rooms(redis_server: RedisServer) -> AsyncIterator[RoomStore]:
    async with redis_server.client() as client:
        yield RoomStore(client)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def make_exporter(directory: Path, redis_server: RedisServer) -> AsyncIterator[ExporterMaker]:
    """A function that makes an exporter, which is stopped with the module at the latest."""
    ports = PortPicker()
    async with AsyncExitStack() as stack:

        def make(name: str = "exporter", **settings: str) -> Exporter:
            env = environment.inherited() | {"REDIS_URL": redis_server.url} | settings
            exporter = Exporter(directory, env, port=ports.pick(), name=name)
            stack.push_async_callback(exporter.stop)
            return exporter

        yield make


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exporter(make_exporter: ExporterMaker) -> Exporter:
    made = make_exporter(SWITCHBOARD_TIER_PROMISE_SECONDS="premium=5,free=60.5")
    await made.start()
    return made
