"""`switchboard calls list` and `show`, and `switchboard usage`, on a real Redis and a real database."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.cli import main
from tasks.records import Database
from tasks.rooms import RoomStore
from tests.support import databases
from tests.support.databases import USAGE, attempt_entry, call_entry, write
from tests.support.rooms import open_some_room

MONTH = "2026-09"
FAILURE = {"type": "provider_failure", "kind": "llm", "index": 0, "provider": "openai", "error": "503", "count": 2}


@pytest.fixture(autouse=True)
async def calls(
    switchboard_env: dict[str, str], rooms: RoomStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that was handed over and lost and is over, one of another tenant, and one that runs."""
    settings = await databases.sqlite(tmp_path)
    monkeypatch.setenv("SWITCHBOARD_DATABASE_URL", settings.url.get_secret_value())
    async with Database.open(settings) as database:
        await write(
            database,
            [
                attempt_entry("RM_1", ending="handed_over", reason="moved by an operator", seconds=2, number="+4930"),
                attempt_entry("RM_1", attempt=2, ending="lost", reason="no voice", seconds=2, usage=[*USAGE, FAILURE]),
                attempt_entry("RM_1", attempt=3),
                call_entry("RM_1", attempts=3, number="+4930"),
                call_entry("RM_2", tenant="bolt", attempts=0, state="dead", outcome="no such agent", ended_by="limit"),
            ],
        )
    await open_some_room(rooms, "RM_3")
    await rooms.claim("RM_3", 1, claimant="a", worker="one@host", pid=7)


async def switchboard(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, arguments)


async def listed(*arguments: str) -> list[tuple[str, str, str]]:
    done = await switchboard("calls", "list", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return [(call["sid"], call["state"], call["source"]) for call in json.loads(done.stdout)["calls"]]


async def test_open_calls_and_those_that_are_over_are_one_list_and_each_says_where_it_is_from() -> None:
    running, over, dead = ("RM_3", "running", "redis"), ("RM_1", "ended", "database"), ("RM_2", "dead", "database")

    assert await listed() == [running, dead, over]
    assert await listed("--tenant", "acme") == [running, over]
    assert await listed("--state", "live") == await listed("--since", "2h") == [running]
    assert await listed("--state", "over") == [dead, over]
    assert await listed("--state", "dead") == [dead]
    assert await listed("--number", "+49*") == await listed("--outcome", "room empty") == [over]
    assert await listed("--room", "call-acme-*") == [running, dead, over]
    table = (await switchboard("calls", "list", "--limit", "1")).stdout.splitlines()
    assert "running" in table[1]
    assert "one@host" in table[1]
    cursor = table[2].removeprefix("more: --cursor ")
    assert await listed("--cursor", cursor) == [dead, over]


async def test_a_call_is_shown_as_a_timeline_with_its_attempts_turns_and_usage() -> None:
    done = await switchboard("calls", "show", "call-acme-RM_1")

    said = done.stdout.splitlines()
    assert said[0] == "call-acme-RM_1 (RM_1): ended, from database"
    assert said[1] == "tenant acme, tier premium, number +4930"
    timeline = [line.partition(" s  ")[2] for line in said if " s  " in line]
    expected = [
        "attempt 1: claimed by premium@host1, version 0.1.0",
        "attempt 1: handed_over: moved by an operator",
        "attempt 2: lost (failed): no voice",
        "attempt 2: llm openai failed, 2 times: 503",
        "attempt 3: ended: room empty",
        "ended, by callers: room empty",
    ]
    assert [line for line in timeline if line in expected] == expected
    assert said.index("turns: 12, interruptions: 3; replies after 875 ms (median), 950 ms (longest)")
    assert "usage: llm openai gpt-4o: 360 input_tokens" in said


async def test_a_call_that_runs_is_shown_with_what_is_known_so_far() -> None:
    said = (await switchboard("calls", "show", "RM_3")).stdout
    assert said.startswith("call-acme-RM_3 (RM_3): running, from redis\n")
    assert "attempt 1: claimed by one@host" in said
    shown: dict[str, Any] = json.loads((await switchboard("calls", "show", "RM_3", "--json")).stdout)
    assert (shown["state"], shown["attempts"], shown["source"]) == ("running", [], "redis")
    unknown = await switchboard("calls", "show", "RM_9")
    assert (unknown.exit_code, unknown.stderr) == (1, "There is no call RM_9, in Redis or in the database.\n")


async def test_the_usage_of_a_month_is_a_table_csv_or_json() -> None:
    done = await switchboard("usage", "--month", MONTH, "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    amounts = {(row["tenant"], row["kind"], row["unit"]): row["amount"] for row in rows}
    assert amounts["acme", "llm", "input_tokens"] == "360"
    assert amounts["acme", "stt", "audio_duration"] == "37.500"
    assert (amounts["acme", "call", "calls"], amounts["bolt", "call", "answered"]) == ("1", "0")
    assert amounts["acme", "call", "seconds"] == "64"

    as_json = json.loads((await switchboard("usage", "--month", MONTH, "--json", "--tenant", "bolt")).stdout)
    assert [(each["tenant"], each["calls"]) for each in as_json["tenants"]] == [("bolt", 1)]
    assert "gpt-4o" in (await switchboard("usage", "--month", MONTH)).stdout
    assert (await switchboard("usage", "--month", "2026-12")).stdout == "no calls in 2026-12\n"
    wrong = await switchboard("usage", "--month", "2026-13")
    assert (wrong.exit_code, wrong.stderr) == (1, "--month: '2026-13' is no month. Write it as 2026-11.\n")


async def test_a_command_says_what_is_the_matter_with_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_DATABASE_URL", "sqlite:////nowhere/records.db")

    for command in (("calls", "list"), ("usage",), ("calls", "show", "RM_1")):
        refused = await switchboard(*command)
        assert refused.exit_code == 1
        assert "Check SWITCHBOARD_DATABASE_URL" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert await listed("--state", "live") == [("RM_3", "running", "redis")]
    wrong = await switchboard("calls", "list", "--since", "yesterday")
    assert "--since: 'yesterday' is no time. Write 2026-11-30" in wrong.stderr
