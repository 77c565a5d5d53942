"""A real worker on a real Redis, and rooms for it.

The tenant's key is not in Redis: each call is claimed, fails, and becomes a dead letter at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import RoomStore
from tasks.settings import Settings
from tests.support.tenants import declare

SLOTS = 2
TENANTS = '[tenants.acme]\ntier = "premium"\nstt = { provider = "deepgram", key = "encrypted:0123456789ab" }\n'


@pytest.fixture
async def dispatcher(switchboard_env: dict[str, str], rooms: RoomStore) -> AsyncIterator[Dispatcher]:
    await declare(rooms.redis, TENANTS)
    made = Dispatcher.from_settings(Settings.read())
    yield made
    await made.aclose()


@pytest.fixture
def load(tmp_path: Path) -> Path:
    """The file that the worker reads as the load of its host."""
    file = tmp_path / "load"
    file.write_text("0")
    return file


@pytest.fixture
def worker_settings() -> dict[str, str]:
    """More settings of the worker, of modules that have some."""
    return {}


@pytest.fixture
async def worker(
    redis_server: RedisServer,
    switchboard_env: dict[str, str],
    dispatcher: Dispatcher,
    tmp_path: Path,
    load: Path,
    worker_settings: dict[str, str],
) -> AsyncIterator[Worker]:
    spec = WorkerSpec(
        "one",
        ("premium",),
        slots=SLOTS,
        env={"SWITCHBOARD_LOAD_FILE": str(load), "SWITCHBOARD_CALL_CORES": "0", **worker_settings},
    )
    env = environment.merged(environment.inherited(), switchboard_env)
    started = Worker(spec, tmp_path, env, redis=redis_server)
    await started.start()
    yield started
    await started.stop()
