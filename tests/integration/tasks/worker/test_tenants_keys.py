"""What becomes of a call whose tenant's keys cannot be had, in a real child of a real worker."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from ops.commands.tenants.rotation import Rotation
from ops.stack import Worker, WorkerSpec, environment
from ops.stack.redis import RedisServer
from tasks.encryption import Encryption
from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.rooms import Room, RoomStore, State
from tasks.settings import Settings
from tasks.tenants import keys
from tasks.tenants.admin import StoredTenant, TenantAdmin
from tasks.tenants.key_cipher import ProviderKeyCipher
from tests.support.tenants import declare, signer
from tests.support.waiting import until

WORKERS, OTHER = (Fernet.generate_key().decode() for _ in range(2))
SIGNED = signer(encryption_keys=WORKERS)
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
    # A worker that has another key than every tenant does not start.
    async with redis_server.client() as client:
        await declare(client, '[tenants.acme]\ntier = "premium"\n', signed_by=SIGNED)
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


async def has_its_keys(dispatcher: Dispatcher, rooms: RoomStore, sid: str) -> None:
    """Wait until the call has tried to join. No LiveKit server is up, which does not count against its attempts."""
    assert await dispatcher.open(RoomInfo(sid, "call-acme-1")) is DispatchResult.QUEUED

    async def tried_to_join() -> bool:
        room = await rooms.get(sid)
        return room is not None and "The LiveKit server did not answer" in room.reason

    await until(tried_to_join, 60)
    await dispatcher.close(sid)


async def store_key(rooms: RoomStore, tenant: str, path: str, encryption_key: str) -> None:
    """Put a key that was encrypted for this tenant and path where acme's for its LLM belongs."""
    settings = Settings.read(os.environ | {"SWITCHBOARD_ENCRYPTION_KEYS": encryption_key})
    encrypted = ProviderKeyCipher(Encryption(settings)).encrypt(tenant, path, "s3cr3t")
    (record,) = await rooms.redis.hmget(keys.TENANTS, "acme")
    changes = Rotation({"acme": StoredTenant(json.loads(str(record)), {"llm": encrypted})}, 0, 0, ())
    await TenantAdmin(rooms.redis, SIGNED).change(lambda _: changes)


async def test_each_call_has_the_keys_that_are_in_redis_when_it_begins(
    worker: Worker, dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    await declare(rooms.redis, table("encrypted:0123456789ab"), signed_by=SIGNED)
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
    await has_its_keys(dispatcher, rooms, "RM_encrypted")

    await declare(rooms.redis, table("vault:none"), signed_by=SIGNED)
    room = await ends_dead(dispatcher, rooms, "RM_none")
    assert (room.attempt, room.reason) == (1, "Tenant 'acme', [llm] key: there is no secret at none.")
    await declare(rooms.redis, table("vault:down"), signed_by=SIGNED)
    room = await ends_dead(dispatcher, rooms, "RM_down")
    assert (room.attempt, "did not answer within 3.0 s (ConnectionError)" in room.reason) == (ATTEMPTS, True)
    await declare(rooms.redis, table("vault:there"), signed_by=SIGNED)
    await has_its_keys(dispatcher, rooms, "RM_there")

    asked = (tmp_path / "asked").read_text().splitlines()
    assert {"acme none", "acme down", "acme there"} == set(asked)
    assert asked.count("acme none") == 1
    assert "s3cr3t" not in worker.log.read_text()


async def test_a_record_that_another_program_has_changed_is_not_followed(
    worker: Worker, dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    (tmp_path / "planted.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    bolt = '[tenants.bolt]\ntier = "premium"\nllm = { provider = "openai", base_url = "http://thief.example.com" }\n'
    await declare(rooms.redis, table("encrypted:0123456789ab") + bolt, signed_by=SIGNED)
    await store_key(rooms, "acme", "llm", WORKERS)
    record, other = await rooms.redis.hmget(keys.TENANTS, "acme", "bolt")
    of_acme, of_bolt = await rooms.redis.hmget(keys.SIGNATURES, "acme", "bolt")
    assert None not in (record, other, of_acme, of_bolt)
    llm = json.loads(str(record))["llm"]
    thief = json.dumps({**json.loads(str(record)), "llm": {**llm, "base_url": "http://thief.example.com"}})
    planted = json.dumps({**json.loads(str(record)), "agent": "planted:entrypoint"})
    for number, (content, written) in enumerate(
        [(thief, of_acme), (planted, of_acme), (record, ""), (record, of_bolt), (other, of_bolt), (thief, "\u00e9")]
    ):
        await rooms.redis.hset(keys.TENANTS, "acme", content)
        await rooms.redis.hset(keys.SIGNATURES, "acme", written)
        room = await ends_dead(dispatcher, rooms, f"RM_{number}")
        assert (room.attempt, room.reason[:76]) == (
            1,
            "Tenant 'acme': its record in Redis is not signed with an encryption key that",
        )
    assert not (tmp_path / "ran").exists()

    await rooms.redis.hset(keys.TENANTS, "acme", record)
    await rooms.redis.hset(keys.SIGNATURES, "acme", of_acme)
    await has_its_keys(dispatcher, rooms, "RM_signed")


async def test_the_main_process_keeps_no_connection_of_its_look_at_the_tenants(
    worker: Worker, rooms: RoomStore
) -> None:
    async def none_is_left() -> bool:
        # Of another look, at the receivers' settings, it is the last command until the next heartbeat.
        return "hgetall" not in [client["cmd"] for client in await rooms.redis.client_list()]

    await until(none_is_left)
