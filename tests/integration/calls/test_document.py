"""The OpenAPI document: the receiver keeps to it, whatever is sent."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from ops.stack import environment
from tasks.records import Database
from tasks.rooms import RoomStore, keys
from tasks.settings import DatabaseSettings
from tasks.tenants.api_key_store import ApiKeyAdmin
from tasks.tenants.api_keys import EVERY_TENANT, Scope
from tests.integration.calls.client import Client
from tests.support.databases import attempt_entry, call_entry, write

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = 25


async def test_the_document_is_served_if_the_operator_enables_it(backend: Client) -> None:
    assert (await backend.send("GET", "/docs", b"", {})).status == 200
    document = (await backend.send("GET", "/openapi.json", b"", {})).json
    assert set(document["paths"]) == {
        "/calls",
        "/calls/{sid}",
        "/calls/{sid}/erasure",
        "/usage",
        "/concurrency",
        "/twilio/incoming",
    }


async def test_the_responses_keep_to_the_document(
    backend: Client, rooms: RoomStore, directory: Path, database: DatabaseSettings
) -> None:
    key, _ = await ApiKeyAdmin(rooms.redis).create(tenants=[EVERY_TENANT], scopes=Scope)
    # Of a room with any name, so that some calls are found and ended.
    async with Database.open(database) as opened:
        await write(opened, [attempt_entry("0"), call_entry("0"), attempt_entry("00", ending="lost")])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{backend.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {key}"),
        *("--generation-deterministic", "--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-color"),
        *("--phases", "examples,coverage,fuzzing"),
        env=environment.inherited() | {"SCHEMATHESIS_HOOKS": "tests.integration.calls.generated_requests"},
        # It writes its findings into the working directory.
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()
    # Not everything was refused.
    assert await backend.counted("switchboard_call_requests_total", outcome="made") > 10
    for route in ("/calls", "/calls/{sid}", "/usage", "/concurrency"):
        assert await backend.counted("switchboard_api_requests_total", route=route, outcome="ok") > 5, route
    # Of the two rooms one alone is over.
    erased = "/calls/{sid}/erasure"
    assert await backend.counted("switchboard_api_requests_total", route=erased, outcome="ok") > 0
    await rooms.redis.delete(keys.ERASURES)
    connected = [
        await backend.counted("switchboard_twilio_requests_total", outcome=outcome)
        for outcome in ("connected", "repeated")
    ]
    assert sum(connected) > 10
