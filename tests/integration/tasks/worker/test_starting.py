"""The start of a worker and of a receiver. What is wrong with their settings shows then, and not in the first call."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore
from tests.support.tenants import declare
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("own_interpreters")

COMMANDS = {
    "worker": ["-m", "celery", "-A", "tasks", "worker", "-Q", "premium"],
    "receiver": ["-m", "uvicorn", "--factory", "webhooks.app:create_app", "--port", "0"],
}
MALFORMED = "7hirty-two-bytes-it-is-not"


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
async def test_malformed_encryption_keys_end_it_with_the_reason(
    switchboard_env: dict[str, str], rooms: RoomStore, command: list[str]
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env=environment.merged(
            environment.inherited(),
            switchboard_env,
            {"SWITCHBOARD_ENCRYPTION_KEYS": MALFORMED, "SWITCHBOARD_SLOTS": "1"},
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode not in {0, None}
    assert (
        "SWITCHBOARD_ENCRYPTION_KEYS = '***' is not usable: each key is 32 bytes in URL-safe base64" in output.decode()
    )
    assert MALFORMED not in output.decode()


async def test_a_worker_imports_the_agents_of_all_tenants_before_the_first_call(
    redis_server: RedisServer, switchboard_env: dict[str, str], rooms: RoomStore, tmp_path: Path, load: Path
) -> None:
    (tmp_path / "acmes_agent.py").write_text(
        "async def entrypoint(ctx): ...\nprint('imported', __name__, flush=True)\n"
    )
    await declare(
        rooms.redis,
        '[tenants.acme]\ntier = "premium"\nagent = "acmes_agent:entrypoint"\n'
        '[tenants.bolt]\ntier = "gold"\nagent = "no_such_module:entrypoint"\n',
    )
    env = environment.merged(environment.inherited([tmp_path]), switchboard_env)
    worker = Worker(
        WorkerSpec("one", ("premium",), slots=1, env={"SWITCHBOARD_LOAD_FILE": str(load)}),
        tmp_path,
        env,
        redis=redis_server,
    )
    await worker.start()
    try:
        log = worker.log.read_text()
        assert log.count("imported acmes_agent") == 1
        assert "importing no_such_module raised ModuleNotFoundError" in log
    finally:
        await worker.stop()


async def test_a_worker_starts_while_redis_is_away_and_goes_on_when_it_is_back(
    redis_server: RedisServer, switchboard_env: dict[str, str], rooms: RoomStore, tmp_path: Path, load: Path
) -> None:
    env = environment.merged(environment.inherited(), switchboard_env)
    worker = Worker(
        WorkerSpec("one", ("premium",), slots=1, env={"SWITCHBOARD_LOAD_FILE": str(load)}),
        tmp_path,
        env,
        redis=redis_server,
    )
    await redis_server.stop()
    starting = asyncio.create_task(worker.start())

    async def logged() -> bool:
        return worker.log.exists() and "the tenants' agents are not known yet" in worker.log.read_text()

    await until(logged, 60)
    await redis_server.start()
    try:
        await starting
    finally:
        await worker.stop()
