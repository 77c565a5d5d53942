"""The OpenAPI document: what it says is so, whatever is sent."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ops.stack import environment
from tasks.rooms import RoomStore
from tests.integration.calls.client import EVERY_KEY, Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[3]
EXAMPLES = 60


async def test_the_document_is_served_where_the_operator_wants_it(backend: Client) -> None:
    assert (await backend.send("GET", "/docs", b"", {})).status == 200
    document = (await backend.send("GET", "/openapi.json", b"", {})).json
    assert set(document["paths"]) == {"/calls", "/twilio/incoming"}


def test_what_is_answered_is_what_the_document_says(backend: Client, rooms: RoomStore) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{backend.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {EVERY_KEY}"),
        *("--seed", "1", "--generation-deterministic", "--max-examples", str(EXAMPLES)),
        *("--phases", "examples,coverage,fuzzing", "--no-color"),
    ]
    env = environment.inherited() | {"SCHEMATHESIS_HOOKS": "tests.integration.calls.generated_requests"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)

    assert done.returncode == 0, done.stdout
    assert re.search(r"POST /calls", done.stdout)
