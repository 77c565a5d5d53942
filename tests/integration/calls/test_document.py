"""The OpenAPI document: the receiver keeps to it, whatever is sent."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from ops.stack import environment
from tasks.rooms import RoomStore
from tests.integration.calls.client import EVERY_KEY, Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = 60


async def test_the_document_is_served_if_the_operator_enables_it(backend: Client) -> None:
    assert (await backend.send("GET", "/docs", b"", {})).status == 200
    document = (await backend.send("GET", "/openapi.json", b"", {})).json
    assert set(document["paths"]) == {"/calls", "/twilio/incoming"}


async def test_the_responses_keep_to_the_document(backend: Client, rooms: RoomStore, directory: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{backend.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {EVERY_KEY}"),
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
    connected = [
        await backend.counted("switchboard_twilio_requests_total", outcome=outcome)
        for outcome in ("connected", "repeated")
    ]
    assert sum(connected) > 10
