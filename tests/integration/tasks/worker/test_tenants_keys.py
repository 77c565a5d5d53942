"""What becomes of a call whose tenant's keys cannot be had, in a real child of a real worker."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.redis import RedisServer
from tasks.encryption import Encryption
from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.rooms import Room, RoomStore, State
from tasks.settings import Settings
from tasks.tenants import keys
from tasks.tenants.key_cipher import ProviderKeyCipher
from tests.support.tenants import declare
from tests.support.waiting import until

WORKERS, OTHER = (Fernet.generate_key().decode() for _ in range(2))
ATTEMPTS = 2
VAULT = """
from pathlib import Path

from tasks.tenants.key_source import KeyNotGiven

class Vault:
    scheme = "vault"

    async def read(self, path, *, tenant):
        with Path(__file__).with_name("asked").open("a") as asked:
            asked.write(f"{tenant} {path}\\n")
        if path == "none":
            raise KeyNotGiven("there is no secret at none")
        if path == "down":
            raise ConnectionError("with s3cr3t in it")
        return "s3cr3t"
"""

Declare = Callable[[str], str]


@pytest.fixture
async def worker(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, tmp_path: Path, load: Path
) -> AsyncIterator[Worker]:
    (tmp_path / "our_vault.py").write_text(VAULT)
    spec = WorkerSpec(
        "one",
        ("premium",),
        slots=1,
        env={
            "SWITCHBOARD_MAX_ATTEMPTS": str(ATTEMPTS),
            "SWITCHBOARD_LOAD_FILE": str(load),
            "SWITCHBOARD_ENCRYPTION_KEYS": WORKERS,
            "SWITCHBOARD_KEY_SOURCE": "our_vault:Vault",
        },
    )
    env = environment.merged(environment.inherited([tmp_path]), switchboard_env)
    started = Worker(spec, tmp_path, env, redis=redis_server)
    await started.start()
    yield started
    await started.stop()


def table(key: str) -> str:
    return f'[tenants.acme]\ntier = "premium"\nllm = {{ provider = "openai", key = "{key}" }}\n'


async def ends_dead(dispatcher: Dispatcher, rooms: RoomStore, sid: str) -> Room:
    assert await dispatcher.open(RoomInfo(sid, "call-acme-1")) is DispatchResult.QUEUED

    async def dead() -> bool:
        room = await rooms.get(sid)
        return room is not None and room.state is State.DEAD

    await until(dead, 60)
    room = await rooms.get(sid)
    assert room is not None
    return room


async def store_key(rooms: RoomStore, tenant: str, path: str, encryption_key: str) -> None:
    """Put a key that was encrypted for this tenant and path where acme's for its LLM belongs."""
    settings = Settings.read(os.environ | {"SWITCHBOARD_ENCRYPTION_KEYS": encryption_key})
    encrypted = ProviderKeyCipher(Encryption(settings)).encrypt(tenant, path, "s3cr3t")
    await rooms.redis.hset(keys.PROVIDER_KEYS, "acme", json.dumps({"llm": encrypted}))


async def test_each_call_has_the_keys_that_are_in_redis_when_it_begins(
    worker: Worker, dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    """No LiveKit server is up: a call that has its keys then fails for that reason."""
    await declare(rooms.redis, table("encrypted:0123456789ab"))
    for number, (tenant, path, key) in enumerate(
        [("bolt", "llm", WORKERS), ("acme", "stt", WORKERS), ("acme", "llm", OTHER)]
    ):
        await store_key(rooms, tenant, path, key)
        room = await ends_dead(dispatcher, rooms, f"RM_{number}")
        assert room.attempt == 1
        assert room.reason.startswith(
            "Tenant 'acme', [llm] key: it was encrypted with an encryption key that this worker"
        )
        assert "SWITCHBOARD_ENCRYPTION_KEYS" in room.reason
    await store_key(rooms, "acme", "llm", WORKERS)
    room = await ends_dead(dispatcher, rooms, "RM_encrypted")
    assert (room.attempt, "The LiveKit server did not answer" in room.reason) == (ATTEMPTS, True)

    await declare(rooms.redis, table("vault:none"))
    room = await ends_dead(dispatcher, rooms, "RM_none")
    assert (room.attempt, room.reason) == (1, "Tenant 'acme', [llm] key: there is no secret at none.")
    await declare(rooms.redis, table("vault:down"))
    room = await ends_dead(dispatcher, rooms, "RM_down")
    assert (room.attempt, "did not answer within 3.0 s (ConnectionError)" in room.reason) == (ATTEMPTS, True)
    await declare(rooms.redis, table("vault:there"))
    room = await ends_dead(dispatcher, rooms, "RM_there")
    assert (room.attempt, "The LiveKit server did not answer" in room.reason) == (ATTEMPTS, True)

    asked = (tmp_path / "asked").read_text().splitlines()
    assert {"acme none", "acme down", "acme there"} == set(asked)
    assert asked.count("acme none") == 1
    assert "s3cr3t" not in worker.log.read_text()


async def test_the_main_process_keeps_no_connection_of_its_look_at_the_tenants(
    worker: Worker, rooms: RoomStore
) -> None:
    commands = [client["cmd"] for client in await rooms.redis.client_list()]
    assert commands
    assert not [command for command in commands if command == "hvals"]
