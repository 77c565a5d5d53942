"""The table `notices` of the tenants file: each mistake is named with its field and its cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.commands.tenants import declaration
from ops.commands.tenants.declaration import FileInvalidError
from ops.commands.tenants.key_values import KeyValues
from ops.commands.tenants.plan import Planner, flatten
from tasks.encryption import Encryption
from tasks.tenants.admin import StoredTenant
from tasks.tenants.key_cipher import ProviderKeyCipher
from tests.integration.tasks.background.office import settings_with
from tests.support.backend import OTHER_SECRET, SECRET

GOOD = 'url = "https://backend.example.com/x"\nsecrets = ["env:NEW"]\n'


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEW", SECRET)
    monkeypatch.setenv("OLD", OTHER_SECRET)
    monkeypatch.setenv("WEAK", "whsec_short")


def read(table: str, folder: Path) -> dict[str, declaration.Declared]:
    file = folder / "tenants.toml"
    file.write_text(f'[tenants.acme]\ntier = "premium"\n[tenants.acme.notices]\n{table}', encoding="utf-8")
    return declaration.read(file, {"premium": "premium"}, KeyValues(None, None))


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ('secrets = ["env:NEW"]', "[tenants.acme.notices] url: Field required"),
        (GOOD.replace("https://backend.example.com/x", "backend"), "[tenants.acme.notices] url: write it as https://"),
        (GOOD.replace("https://", "ftp://"), "[tenants.acme.notices] url: write it as https://"),
        (GOOD.replace("https://", "https://me:secret@"), "[tenants.acme.notices] url: it has no user, no password"),
        (GOOD.replace(".com", ".com:99999"), "[tenants.acme.notices] url: write it as https://"),
        (GOOD.replace('["env:NEW"]', "[]"), "[tenants.acme.notices] secrets: it is a list of one reference"),
        (GOOD.replace('["env:NEW"]', '["env:NEW", "env:NEW"]'), "[tenants.acme.notices] secrets: both are the same"),
        (GOOD.replace("env:NEW", SECRET), "the key itself must not be in this file"),
        (GOOD.replace("env:NEW", "env:WEAK"), "[tenants.acme.notices.secrets.0] key: it is no secret of Standard"),
        (GOOD.replace("env:NEW", "env:GONE"), "[tenants.acme.notices.secrets.0] key: the environment variable GONE"),
        (GOOD + 'events = ["call.over"]', "[tenants.acme.notices] events: there is no 'call.over'; there are call.st"),
        (GOOD + "events = []", "[tenants.acme.notices] events: there is none in it"),
        (GOOD + 'include = ["video"]', "[tenants.acme.notices] include: there is no 'video'; there are transcript, a"),
        (GOOD + 'urls = "x"', "[tenants.acme.notices] urls: there is no such entry; there are url, secrets, events"),
    ],
)
def test_a_mistake_is_named_with_its_cure_and_without_a_secret(table: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(FileInvalidError) as raised:
        read(table, tmp_path)
    assert line in str(raised.value)
    assert SECRET not in str(raised.value)
    assert "me:secret" not in str(raised.value)


def test_secrets_are_stored_encrypted_and_a_second_apply_changes_nothing(tmp_path: Path) -> None:
    declared = read(GOOD.replace('["env:NEW"]', '["env:NEW", "env:OLD"]'), tmp_path)
    planner = Planner(declared, ProviderKeyCipher(Encryption(settings_with())))
    plan = planner.plan({})
    stored: StoredTenant = plan.put["acme"]
    assert SECRET not in str(stored)
    shown = flatten(stored.record)
    assert shown["notices.secrets.0.key"].startswith("encrypted:")
    assert stored.encrypted_keys.keys() == {"notices.secrets.0", "notices.secrets.1"}
    assert "    notices.secrets.0.key: " in "\n".join(plan.lines())
    assert not planner.plan({"acme": stored}).put
