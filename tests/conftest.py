"""What all tests share: the binaries of the servers, and a real Redis that must be left clean."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer

from ops.stack import environment
from ops.stack.binaries import Binaries
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore
from tests import lanes
from tests.admission import Admission
from tests.support.key_leaks import leaked_keys
from tests.support.light_worker import LIGHT
from tests.support.postgres import Postgres
from tests.support.tenants import SECRET

# Each lane collects thousands of tests, and a third of that time would go into looking for garbage.
gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage again, but only of what the tests make: what is there now stays to the end."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return lanes.count()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> lanes.Lanes:
    return lanes.Lanes(config, log)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", default=None):
        config.pluginmanager.register(lanes.Totals())
    if "PYTEST_XDIST_WORKER" in os.environ:
        config.pluginmanager.register(Admission())


@pytest.fixture(autouse=True)
def log_levels() -> Iterator[None]:
    """Leave what is logged as it was: apps and programs that a test runs change it, and other tests read logs."""
    root = logging.getLogger()
    level, disabled = root.level, root.manager.disable
    yield
    root.setLevel(level)
    logging.disable(disabled)


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """redis-server, livekit-server and HAProxy. The first run may have to fetch them."""
    return Binaries.find()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for all tests of a lane, each of which makes itself a database."""
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
async def redis_server(binaries: Binaries, tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A redis-server of the test's own, which it may kill, pause and start again."""
    server = RedisServer(tmp_path, environment.inherited(()), binary=str(binaries.redis), port=PortPicker().pick())
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
async def rooms(redis_server: RedisServer) -> AsyncIterator[RoomStore]:
    """The rooms of `redis_server`. Afterwards each key must have a TTL or be one of the permanent ones."""
    async with redis_server.client() as client:
        yield RoomStore(client)
    # A test that killed Redis has killed the first client's connection, too.
    async with redis_server.client() as client:
        assert await leaked_keys(client) == []


@pytest.fixture
def switchboard_env(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of an installation on `redis_server`, set for this test."""
    for name in os.environ:
        if name.startswith(("SWITCHBOARD_", "LIVEKIT_", "REDIS_")):
            monkeypatch.delenv(name)
    env = {
        "LIVEKIT_URL": "ws://127.0.0.1:1",
        "LIVEKIT_API_KEY": "devkey",
        "LIVEKIT_API_SECRET": SECRET,
        "REDIS_URL": redis_server.url,
        **LIGHT,
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return env
