"""Notices in one Redis for a whole module, which each test finds empty."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ops.stack import environment
from ops.stack.binaries import Binaries
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.background.notices import keys
from tests.integration.tasks.background.office import Office
from tests.support.backend import Backend, backend
from tests.support.key_leaks import leaked_keys


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def notices_redis(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisServer]:
    folder = tmp_path_factory.mktemp("redis")
    server = RedisServer(folder, environment.inherited(()), binary=str(binaries.redis), port=PortPicker().pick())
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def office(notices_redis: RedisServer) -> AsyncIterator[Office]:
    async with notices_redis.client() as client:
        await client.flushdb()
        async with Office.open(client) as opened:
            yield opened
        assert await leaked_keys(client) == []


@pytest_asyncio.fixture(loop_scope="module")
async def acme(office: Office) -> AsyncIterator[Backend]:
    """The backend of the tenant acme, which is declared."""
    async with backend() as serving:
        await office.declare(acme=serving.url)
        yield serving


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that fails is tried again at once: the pauses are for minutes."""
    monkeypatch.setitem(keys.FIXED, "longest_pause_ms", 1)
