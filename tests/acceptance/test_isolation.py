"""What is one tenant's stays that tenant's: keys and conversations with marks in them, and a look into every place.

The calls are real, and so is the use of the keys: each tenant's language model and voice are a server that keeps what
it was asked with.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import pytest_asyncio
from cryptography.fernet import Fernet
from redis.asyncio import Redis

from ops.caller.caller import Caller
from ops.caller.transcript import Speaker
from ops.stack import Binaries, Stack, StackOptions, WorkerSpec
from tasks.encryption import DecryptionFailed, Encryption
from tasks.rooms import RoomStore, State
from tasks.settings import Settings
from tasks.tenants import keys
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.secret_scan import Wiretap, places
from tests.acceptance.speech import utterance
from tests.provider_emulators.openai import OpenAIEmulator

ENCRYPTION_KEY = Fernet.generate_key().decode()
LEAST_PLACES = 30


@dataclass(frozen=True)
class Marked:
    """A tenant whose key, question and answer are found wherever they are.

    `phrases`, which are declared openly, are the grammar of its STT: the question is one of several that match.
    """

    tenant: str
    phrases: str
    question: str
    reply: str
    server: OpenAIEmulator
    key: str = field(default_factory=lambda: f"sk-marked-{uuid.uuid4().hex}")

    @property
    def marks(self) -> tuple[str, ...]:
        return self.key, self.question, self.reply

    def as_toml(self) -> str:
        openai = f'provider = "openai"\nmodel = "m"\nbase_url = "{self.server.url}"\nkey = "stdin:{self.tenant}"\n'
        table = f"tenants.{self.tenant}"
        return (
            f'[{table}]\ntier = "premium"\n'
            f'[{table}.stt]\nprovider = "local"\nphrases = ["{self.phrases}"]\n'
            f"[{table}.llm]\n{openai}"
            f'[{table}.tts]\n{openai}response_format = "wav"\n'
        )


@dataclass(frozen=True)
class House:
    """An installation with two such tenants, of which only the worker has the encryption key."""

    running: Installation
    redis: Redis
    tap: Wiretap
    acme: Marked
    bolt: Marked

    async def leaks(self) -> list[str]:
        """Where a mark can be read, and which."""
        found = await places(self.running.stack, self.redis, self.tap)
        assert len(found) >= LEAST_PLACES, sorted(found)
        marks = [*self.acme.marks, *self.bolt.marks]
        return [f"{place}: {mark}" for place, text in found.items() for mark in marks if mark in text.lower()]

    @asynccontextmanager
    async def talk(self, marked: Marked) -> AsyncIterator[Caller]:
        """A call in which the question was asked and answered."""
        async with self.running.call(marked.tenant) as caller:
            await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
            asked = await caller.say(utterance(marked.question))
            await caller.wait_for_answer(asked.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
            assert caller.transcript.texts(Speaker.CALLER) == [marked.question]
            assert marked.reply in caller.transcript.texts(Speaker.AGENT)[-1]
            yield caller


async def applied(stack: Stack, *tenants: Marked) -> None:
    file = stack.directory / "tenants.toml"
    file.write_text("".join(tenant.as_toml() for tenant in tenants))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.cli", "tenants", "apply", str(file), "--keys", "-"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**stack.receivers[0].env, "SWITCHBOARD_ENCRYPTION_KEYS": ENCRYPTION_KEY},
    )
    said, _ = await process.communicate("".join(f"{tenant.tenant}={tenant.key}\n" for tenant in tenants).encode())
    assert process.returncode == 0
    (stack.directory / "apply.log").write_bytes(said)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    directory = tmp_path_factory.mktemp("isolation")
    load = directory / "load"
    load.write_text("0.1")
    servers = [
        OpenAIEmulator(phrases=(), reply=reply) for reply in ("the golden umbrella is here", "the old piano is here")
    ]
    options = StackOptions(
        directory=directory,
        binaries=binaries,
        workers=(WorkerSpec("premium", ("premium",), env={"SWITCHBOARD_ENCRYPTION_KEYS": ENCRYPTION_KEY}),),
        env={"SWITCHBOARD_EMPTY_GRACE_SECONDS": "1", "SWITCHBOARD_LOAD_FILE": str(load)},
        flower=True,
    )
    async with servers[0].serve(), servers[1].serve(), Stack.start(options) as stack, stack.redis.client() as client:
        elephants, dragons = (
            "where is the (purple|yellow) (elephant|umbrella)",
            "when does the (silver|old) dragon come",
        )
        acme = Marked("acme", elephants, "where is the purple elephant", servers[0].reply, servers[0])
        bolt = Marked("bolt", dragons, "when does the silver dragon come", servers[1].reply, servers[1])
        async with Wiretap.on(stack.redis.url) as tap:
            await applied(stack, acme, bolt)
            yield House(Installation(stack, RoomStore(client)), client, tap, acme, bolt)


async def test_no_key_and_nothing_that_was_said_lies_open_anywhere(house: House) -> None:
    async with house.talk(house.acme) as first, house.talk(house.bolt) as second:
        for caller in (first, second):
            assert await house.running.rooms.conversation(caller.room_sid) is not None
        assert await house.leaks() == []
    for caller in (first, second):
        await house.running.reaches(caller.room_sid, State.ENDED)
    assert await house.leaks() == []
    # They were really used, each by its own tenant's calls alone.
    for marked in (house.acme, house.bolt):
        assert {request.path for request in marked.server.requests} == {"/v1/chat/completions", "/v1/audio/speech"}
        assert {request.key for request in marked.server.requests} == {marked.key}


async def test_a_conversation_is_decrypted_by_its_own_room_alone(house: House) -> None:
    given = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret", "SWITCHBOARD_ENCRYPTION_KEYS": ENCRYPTION_KEY}
    encryption = Encryption(Settings.read(given))
    async with house.talk(house.bolt) as caller:
        encrypted = await house.running.rooms.conversation(caller.room_sid)
    assert encrypted is not None
    assert house.bolt.question in encryption.decrypt(caller.room_sid, encrypted)
    with pytest.raises(DecryptionFailed):
        encryption.decrypt("RM_of_acme", encrypted)
    await house.running.all_calls_over()


async def test_a_call_of_one_tenant_cannot_decrypt_the_keys_of_another(house: House) -> None:
    own, others = await house.redis.hmget(keys.PROVIDER_KEYS, "acme", "bolt")
    asked = len(house.acme.server.requests)
    await house.redis.hset(keys.PROVIDER_KEYS, "acme", others)
    try:
        async with house.running.call("acme") as caller:
            letter = await house.running.dead_letter(caller.room_sid)
    finally:
        await house.redis.hset(keys.PROVIDER_KEYS, "acme", own)
    assert letter.attempt == 1
    assert letter.reason.startswith("Tenant 'acme': its record in Redis is not signed with an encryption key")
    assert len(house.acme.server.requests) == asked
    assert await house.leaks() == []


async def test_a_mark_is_found_wherever_it_lies(house: House) -> None:
    """The other tests find nothing; this one shows that they would."""
    key = house.acme.key
    planted: Mapping[str, list[str]] = {
        "SET": ["planted:string", key],
        "HSET": ["planted:hash", "field", key],
        "RPUSH": ["planted:list", key],
        "SADD": ["planted:set", key],
        "ZADD": ["planted:zset", "1", key],
        "XADD": ["planted:stream", "*", "field", key],
    }
    for command, arguments in planted.items():
        await cast("Any", house.redis).execute_command(command, *arguments)
    log = house.running.stack.workers["premium"].log
    with log.open("a") as file:
        file.write(f'{{"level": "INFO", "said": "{house.bolt.reply.title()}"}}\n')
    try:
        found = await house.leaks()
    finally:
        await house.redis.delete(*(arguments[0] for arguments in planted.values()))
        log.write_text("")
    assert {leak.partition(": ")[0] for leak in found} == {
        "what Redis was told",
        "the file worker-premium.log",
        *(f"the key {arguments[0].partition(': ')[0]}" for arguments in planted.values()),
    }
