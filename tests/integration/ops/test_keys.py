"""`switchboard keys`, as an operator runs it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.cli import main
from tasks.rooms import RoomStore
from tasks.tenants.api_key_store import ApiKeyReader
from tests.support.tenants import declare


@pytest.fixture
async def acme(switchboard_env: dict[str, str], rooms: RoomStore) -> None:
    await declare(rooms.redis, '[tenants.acme]\ntier = "premium"\n')


async def switchboard(*arguments: str) -> Result:
    """Run it in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, main, ["keys", *arguments])


async def listed(*arguments: str) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = json.loads((await switchboard("list", "--json", *arguments)).stdout)
    return keys


@pytest.mark.usefixtures("acme")
async def test_a_key_is_printed_once_listed_without_its_secret_and_revoked(rooms: RoomStore) -> None:
    scopes = ("--scope", "calls:read", "--scope", "calls:operate")
    created = await switchboard("create", "acme's backend", "--tenant", "acme", *scopes, "--days", "30")
    assert created.exit_code == 0, created.output
    key = created.stdout.strip()
    found = await ApiKeyReader(rooms.redis).find(key)
    assert found is not None
    assert f"switchboard keys revoke {found.id}" in created.stderr

    (shown,) = await listed()
    assert key[-64:] not in json.dumps(shown)
    assert (shown["name"], shown["tenants"], shown["scopes"]) == (
        "acme's backend",
        ["acme"],
        ["calls:operate", "calls:read"],
    )
    assert (shown["expired"], shown["last_used_at"]) == (False, None)
    table = (await switchboard("list")).stdout.splitlines()
    assert [line.split()[0] for line in table] == ["id", found.id]

    # The whole key is what somebody has who has found it in a wrong place.
    assert (await switchboard("revoke", key)).stdout == f"{found.id} is revoked, from the next request on\n"
    assert await listed() == []
    again = await switchboard("revoke", found.id)
    assert (again.exit_code, again.stderr) == (
        1,
        f"There is no key {found.id}. `switchboard keys list` has the ids.\n",
    )


@pytest.mark.usefixtures("acme")
async def test_a_key_for_every_tenant_is_listed_for_each_of_them() -> None:
    await switchboard("create", "ours", "--every-tenant", "--scope", "calls:create")
    await switchboard("create", "theirs", "--tenant", "acme", "--scope", "calls:create")

    assert [key["name"] for key in await listed("--tenant", "basic")] == ["ours"]
    assert {key["name"] for key in await listed("--tenant", "acme")} == {"ours", "theirs"}


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (("--tenant", "amce", "--scope", "calls:read"), 1, "There is no tenant 'amce'."),
        (("--scope", "calls:read"), 2, "give either --tenant or --every-tenant"),
        (("--tenant", "acme", "--every-tenant", "--scope", "calls:read"), 2, "give either --tenant or --every-tenant"),
        (("--tenant", "acme"), 2, "Missing option '--scope'"),
        (("--tenant", "acme", "--scope", "calls:fly"), 2, "'calls:fly' is not one of"),
        (
            ("--tenant", "acme", "--scope", "calls:read", "--expires", "2020-01-31"),
            1,
            "--expires: 2020-01-31T00:00:00+00:00 is over already.",
        ),
    ],
)
async def test_a_key_that_is_not_rightly_asked_for_is_not_created(
    arguments: tuple[str, ...], status: int, problem: str
) -> None:
    refused = await switchboard("create", "x", *arguments)

    assert refused.exit_code == status
    assert problem in refused.stderr
    assert await listed() == []


async def test_the_commands_say_that_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    refused = await switchboard("list")

    assert refused.exit_code == 1
    assert refused.stderr.startswith("Redis cannot be reached (")
