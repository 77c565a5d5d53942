"""`switchboard doctor` on keys that the installation's own source gives, and on an installation without tenants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from ops.commands.doctor import check
from ops.commands.doctor.finding import Finding, State
from ops.commands.doctor.installation import Installation
from ops.commands.doctor.providers import providers
from ops.commands.doctor.tenants import encryption
from tasks.rooms import RoomStore
from tasks.settings import Settings
from tasks.tenants import key_source
from tests.support.tenants import declare

SOURCE = """
from tasks.tenants.key_source import KeyNotGiven


class Vault:
    scheme = "vault"

    async def read(self, path: str, *, tenant: str) -> str:
        if path == "away":
            raise OSError("https://vault/?token=secret")
        raise KeyNotGiven(f"there is nothing at {path}")
"""
Check = Callable[[Installation], AsyncIterator[Finding]]


@pytest.fixture
def env(switchboard_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (tmp_path / "doctors_vault.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return {**switchboard_env, "SWITCHBOARD_KEY_SOURCE": "doctors_vault:Vault"}


async def examine(examined: Check, env: dict[str, str]) -> list[Finding]:
    async with Installation.open(Settings.read(env)) as installation:
        return [finding async for finding in examined(installation)]


async def declare_keys(rooms: RoomStore, *references: str) -> None:
    tables = (
        f'[tenants.t{number}]\ntier = "premium"\n'
        f'[tenants.t{number}.llm]\nprovider = "openai"\nmodel = "m"\nkey = "{reference}"\n'
        for number, reference in enumerate(references)
    )
    await declare(rooms.redis, "".join(tables))


async def test_a_key_that_its_source_does_not_have_is_an_error_that_names_the_tenant(
    env: dict[str, str], rooms: RoomStore
) -> None:
    await declare_keys(rooms, "vault:acme", "vault:bolt")
    found = await examine(providers, env)
    assert [finding.state for finding in found] == [State.ERROR] * 2
    assert "'t0', llm.key: there is nothing at acme" in found[0].text
    assert "'t1', llm.key: there is nothing at bolt" in found[1].text
    assert "SWITCHBOARD_KEY_SOURCE" in found[0].cure


async def test_a_source_that_is_away_is_waited_for_once_and_its_message_is_not_shown(
    env: dict[str, str], rooms: RoomStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_source, "SECONDS", 0.2)
    await declare_keys(rooms, "vault:away", "vault:away", "vault:away")
    (found,) = await examine(providers, env)
    assert (found.state, "did not answer within 0.2 s (OSError)" in found.text) == (State.ERROR, True)
    assert "secret" not in repr(found)


async def test_a_source_that_cannot_be_imported_is_an_error_and_no_fault_of_the_check(
    env: dict[str, str], rooms: RoomStore
) -> None:
    await declare_keys(rooms, "vault:acme")
    (found,) = await examine(providers, env | {"SWITCHBOARD_KEY_SOURCE": "doctors_vault:Missing"})
    assert found.state is State.ERROR
    assert "SWITCHBOARD_KEY_SOURCE" in found.text


async def test_without_a_tenant_nothing_is_said_to_be_signed(env: dict[str, str], rooms: RoomStore) -> None:
    keys = {"SWITCHBOARD_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
    async with Installation.open(Settings.read(env | keys)) as installation:
        (examined,) = [each async for each in check.run([check.Check("encryption", encryption)], installation)]
    assert [finding.state for finding in examined.findings] == [State.NOT_CHECKED]
