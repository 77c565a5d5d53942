"""`switchboard tenants`, as an operator runs it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from ops.stack import environment
from tasks.rooms import RoomStore
from tasks.settings import Settings
from tasks.tenants.admin import TenantAdmin
from tests.support.command import Command, fresh_switchboard, switchboard

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))
KEY, FALLBACK = "sk-the-key-of-acme", "sk-the-other-key-of-acme"
FILE = """
[tenants.acme]
tier = "premium"
numbers = ["+15551234567"]
greeting = "Hello"

[tenants.acme.stt]
provider = "deepgram"
key = "env:ACME_KEY"
fallbacks = [{ provider = "openai", key = "stdin:ACME_FALLBACK" }]

[tenants.bolt]
tier = "free"
"""


VAULT = """
class Vault:
    scheme = "vault"

    async def read(self, path, *, tenant):
        raise AssertionError("keys of a vault are not read when a file is applied")
"""


@pytest.fixture
def env(switchboard_env: dict[str, str], rooms: RoomStore) -> dict[str, str]:
    return switchboard_env | {"SWITCHBOARD_ENCRYPTION_KEYS": OLD, "ACME_KEY": KEY}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "tenants.toml", FILE)


def written(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


async def tenants(
    env: Mapping[str, str],
    *arguments: str | Path,
    stdin: str = f"ACME_FALLBACK={FALLBACK}\n",
    command: Command = switchboard,
) -> tuple[int | None, str, str]:
    """Run `switchboard tenants …`, and check that it prints no secret."""
    status, output, errors = await command(env, "tenants", *arguments, stdin=stdin)
    for secret in (KEY, FALLBACK, OLD, NEW):
        assert secret not in output + errors
    return status, output, errors


async def test_a_file_is_applied_and_a_second_time_there_is_nothing_to_change(
    env: dict[str, str], file: Path, rooms: RoomStore
) -> None:
    status, output, _ = await tenants(env, "apply", file, "--keys", "-", "--dry-run", command=fresh_switchboard)
    assert status == 0
    assert output.endswith("2 added, 0 changed, 0 removed, 0 unchanged\nNothing was changed: this was a dry run.\n")
    assert await rooms.redis.keys() == []

    status, again, _ = await tenants(env, "apply", file, "--keys", "-")
    assert (status, again) == (0, output.replace("Nothing was changed: this was a dry run.\n", ""))
    assert await tenants(env, "apply", file, "--keys", "-") == (0, "nothing to change\n", "")

    everything = [await rooms.redis.hgetall(key) for key in await rooms.redis.keys()]
    assert KEY not in str(everything)
    assert FALLBACK not in str(everything)


async def test_a_file_with_mistakes_changes_nothing_and_all_problems_are_listed(
    env: dict[str, str], file: Path, rooms: RoomStore
) -> None:
    written(file, FILE.replace('"free"', '"gold"'))
    status, output, errors = await tenants(env | {"ACME_KEY": ""}, "apply", file, "--keys", "-")
    assert (status, output) == (1, "")
    assert errors.splitlines() == [
        "[tenants.acme.stt] key: the environment variable ACME_KEY is not set here",
        "[tenants.bolt] tier: 'gold' does not exist; the tiers are free, premium, standard (SWITCHBOARD_TIERS)",
        "Nothing was changed.",
    ]
    assert await rooms.redis.keys() == []


async def test_wrong_arguments_exit_with_2(env: dict[str, str], tmp_path: Path) -> None:
    status, _, errors = await tenants(env, "apply", tmp_path / "none.toml")
    assert (status, "does not exist" in errors) == (2, True)
    assert (await tenants(env, "appply"))[0] == 2


async def test_a_key_that_was_changed_is_shown_as_fingerprints(env: dict[str, str], file: Path) -> None:
    await tenants(env, "apply", file, "--keys", "-")
    status, output, _ = await tenants(env | {"ACME_KEY": "sk-another"}, "apply", file, "--keys", "-")
    heading, change, counts = output.splitlines()
    assert (status, heading, counts) == (0, "~ acme", "0 added, 1 changed, 0 removed, 1 unchanged")
    name, old, _, new = change.split()
    assert (name, len(old), len(new), old != new) == ("stt.key:", 12, 12, True)


async def test_tenants_that_the_file_does_not_declare_are_removed_only_on_request(
    env: dict[str, str], file: Path, tmp_path: Path
) -> None:
    await tenants(env, "apply", file, "--keys", "-")
    less = written(tmp_path / "less.toml", '[tenants.bolt]\ntier = "free"\n')
    status, output, _ = await tenants(env, "apply", less)
    left = "in Redis, not in the file, and left alone (--prune removes them): acme"
    assert (status, output.splitlines()) == (0, [left, "nothing to change"])
    status, output, _ = await tenants(env, "apply", less, "--prune")
    assert (status, output.splitlines()) == (0, ["- acme", "0 added, 0 changed, 1 removed, 1 unchanged"])


async def test_the_tenants_are_listed_and_shown_with_no_key_of_the_livekit_server(
    env: dict[str, str], file: Path
) -> None:
    only_redis = {"REDIS_URL": env["REDIS_URL"]}
    assert (await tenants(only_redis, "list"))[1].startswith(
        "no tenants; declare some and run: switchboard tenants apply"
    )
    await tenants(env, "apply", file, "--keys", "-")

    status, output, _ = await tenants(only_redis, "list")
    assert status == 0
    assert [line.split() for line in output.splitlines()] == [
        ["tenant", "tier", "limit", "numbers", "agent", "stt", "llm", "tts", "keys"],
        ["acme", "premium", "+15551234567", "deepgram", "local", "local", "2"],
        ["bolt", "free", "local", "local", "local", "0"],
    ]
    listed = json.loads((await tenants(only_redis, "list", "--json"))[1])
    acme = json.loads((await tenants(only_redis, "show", "acme", "--json"))[1])
    assert [tenant["id"] for tenant in listed] == ["acme", "bolt"]
    assert listed[0] == acme
    assert acme["stt"]["key"].startswith("encrypted:")
    lines = (await tenants(only_redis, "show", "acme"))[1].splitlines()
    assert lines[:4] == ['id: "acme"', 'tier: "premium"', 'numbers: ["+15551234567"]', 'greeting: "Hello"']
    assert f"stt.key: {acme['stt']['key'].removeprefix('encrypted:')}" in lines


async def test_a_tenant_is_removed_and_an_unknown_one_is_an_error(env: dict[str, str], file: Path) -> None:
    await tenants(env, "apply", file, "--keys", "-")
    assert await tenants(env, "remove", "acme") == (0, "acme is removed; its running calls go on\n", "")
    for command in ("remove", "show"):
        status, output, errors = await tenants(env, command, "acme")
        assert (status, output) == (1, "")
        assert errors.startswith("There is no tenant 'acme'. Declare it")


async def test_keys_are_rotated_and_then_the_old_encryption_key_can_go(env: dict[str, str], file: Path) -> None:
    await tenants(env, "apply", file, "--keys", "-")
    both, new = ({"SWITCHBOARD_ENCRYPTION_KEYS": keys} for keys in (f"{NEW},{OLD}", NEW))
    status, output, _ = await tenants(env | both, "rotate-keys")
    assert (status, output) == (0, "2 keys of 2 tenants are encrypted again; 0 were already\n")
    status, output, _ = await tenants(env | both, "rotate-keys")
    assert (status, output) == (0, "0 keys of 0 tenants are encrypted again; 2 were already\n")
    assert await tenants(env | new, "apply", file, "--keys", "-") == (0, "nothing to change\n", "")
    status, _, errors = await tenants(env, "rotate-keys")
    assert (status, errors.count("not signed with these encryption keys")) == (1, 2)


async def test_a_rotation_while_others_apply_loses_neither(env: dict[str, str], file: Path, rooms: RoomStore) -> None:
    await tenants(env, "apply", file, "--keys", "-")
    both = env | {"SWITCHBOARD_ENCRYPTION_KEYS": f"{NEW},{OLD}"}
    more = written(
        file.with_name("more.toml"), FILE.replace("Hello", "Good morning").replace("tenants.bolt", "tenants.coral")
    )
    ended = await asyncio.gather(
        tenants(both, "rotate-keys"), tenants(both, "apply", more, "--keys", "-"), tenants(both, "rotate-keys")
    )
    assert [status for status, _, _ in ended] == [0, 0, 0]
    stored = await TenantAdmin(rooms.redis).read()
    assert (set(stored), stored["acme"].record["greeting"]) == ({"acme", "bolt", "coral"}, "Good morning")
    new = env | {"SWITCHBOARD_ENCRYPTION_KEYS": NEW}
    assert (await tenants(new, "apply", more, "--keys", "-"))[1].splitlines()[-1] == "nothing to change"


async def test_an_operator_with_other_encryption_keys_than_the_workers_changes_nothing(
    env: dict[str, str], file: Path
) -> None:
    await tenants(env, "apply", file, "--keys", "-")
    other = env | {"SWITCHBOARD_ENCRYPTION_KEYS": OTHER}
    status, _, errors = await tenants(other, "apply", file, "--keys", "-")
    assert status == 1
    assert errors.startswith(
        "[tenants.acme.stt] key: the one in Redis was encrypted with an encryption key that is not"
    )
    assert errors.endswith("Nothing was changed.\n")
    assert await tenants(env, "apply", file, "--keys", "-") == (0, "nothing to change\n", "")
    assert (await tenants(other, "apply", file, "--keys", "-", "--reencrypt"))[0] == 0
    assert await tenants(other, "apply", file, "--keys", "-") == (0, "nothing to change\n", "")


async def test_a_reference_to_a_key_source_is_applied_as_it_is(
    env: dict[str, str], file: Path, rooms: RoomStore, tmp_path: Path
) -> None:
    written(tmp_path / "our_vault.py", VAULT)
    path = environment.inherited([tmp_path])["PYTHONPATH"]
    written(file, FILE.replace("env:ACME_KEY", "vault:acme/deepgram#key"))
    without = await tenants(env, "apply", file, "--keys", "-")
    assert (without[0], "for another one set SWITCHBOARD_KEY_SOURCE" in without[2]) == (1, True)
    source = {"SWITCHBOARD_KEY_SOURCE": "our_vault:Vault", "PYTHONPATH": path}
    status, output, errors = await tenants(env | source, "apply", file, "--keys", "-")
    assert status == 0, errors
    assert '    stt.key: "vault:acme/deepgram#key"' in output.splitlines()
    (acme, _) = (await TenantAdmin(rooms.redis).read()).values()
    assert (acme.record["stt"]["key"], list(acme.encrypted_keys)) == ("vault:acme/deepgram#key", ["stt.fallbacks.0"])


@pytest.mark.parametrize("command", ["list", "remove acme", "rotate-keys"])
async def test_an_outage_of_redis_is_a_one_line_error(env: dict[str, str], command: str) -> None:
    status, _, errors = await tenants(env | {"REDIS_URL": "redis://127.0.0.1:1/0"}, *command.split())
    assert status == 1
    assert errors.startswith("Redis cannot be reached (")
    assert len(errors.splitlines()) == 1


async def test_settings_that_cannot_be_used_are_named(env: dict[str, str], file: Path) -> None:
    status, _, errors = await tenants(env | {"SWITCHBOARD_ENCRYPTION_KEYS": "short"}, "apply", file)
    assert (status, errors.startswith("SWITCHBOARD_ENCRYPTION_KEYS = '***' is not usable")) == (1, True)
    assert Settings.read().tenants.encryption_keys is None
