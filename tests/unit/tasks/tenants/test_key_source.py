"""Keys from a source of an installation's own: a real module, imported by its name."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pipeline.options import Secret
from tasks.call.provider_keys import provider_keys
from tasks.encryption import Encryption
from tasks.errors import InvalidSetting, KeySourceUnavailable, KeyUnreadable, SwitchboardError
from tasks.settings import Settings
from tasks.tenants import Tenant, key_source
from tasks.tenants.key_cipher import ProviderKeyCipher

VAULT = """
    import asyncio
    from tasks.tenants.key_source import KeyNotGiven

    class Vault:
        scheme = "vault"
        tries = 0

        async def read(self, path, *, tenant):
            Vault.tries += 1
            if path == "down":
                raise ConnectionError("Authorization: Bearer s3cr3t")
            if path == "hangs":
                await asyncio.sleep(3600)
            if path == "shaky" and Vault.tries < 3:
                raise TimeoutError
            if path == "empty":
                return ""
            if not path.startswith(f"{tenant}/"):
                raise KeyNotGiven(f"{path} is not a path of {tenant}")
            return f"the key at {path}"

    class Unfit: pass
    class Posing(Vault): scheme = "env"
    def refusing(): raise PermissionError("no token")
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "our_vault.py").write_text(textwrap.dedent(VAULT))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("our_vault", None)


def settings(source: str | None = "our_vault:Vault") -> Settings:
    given = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret"}
    return Settings.read(given if source is None else given | {"SWITCHBOARD_KEY_SOURCE": source})


async def keys(
    reference: str, *, encrypted: Mapping[str, str] | None = None, source: str | None = "our_vault:Vault"
) -> dict[str, Secret]:
    tenant = Tenant.model_validate({"id": "acme", "tier": "free", "llm": {"provider": "openai", "key": reference}})
    return await provider_keys(tenant, encrypted or {}, settings(source))


async def test_a_key_of_its_scheme_is_asked_for_with_its_path_and_its_tenant() -> None:
    assert await keys("vault:acme/openai#key") == {"llm": Secret("the key at acme/openai#key")}


async def test_a_refusal_of_the_key_source_is_final_and_has_its_reason() -> None:
    with pytest.raises(KeyUnreadable, match=r"^Tenant 'acme', \[llm\] key: bolt/x is not a path of acme\.$") as raised:
        await keys("vault:bolt/x")
    assert not raised.value.retryable


async def test_an_empty_key_is_final() -> None:
    with pytest.raises(KeyUnreadable, match="has an empty key at empty"):
        await keys("vault:empty")


async def test_a_source_that_is_away_for_a_moment_costs_no_attempt() -> None:
    with pytest.raises(KeyUnreadable, match="shaky is not a path of acme"):
        await keys("vault:shaky")


@pytest.mark.parametrize(("path", "error"), [("down", "ConnectionError"), ("hangs", "TimeoutError")])
async def test_a_source_that_is_away_is_for_the_next_attempt_and_its_error_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch, path: str, error: str
) -> None:
    monkeypatch.setattr(key_source, "SECONDS", 0.6)
    began = time.monotonic()
    with pytest.raises(KeySourceUnavailable, match=rf"did not answer within 0\.6 s \({error}\)") as raised:
        await keys(f"vault:{path}")
    assert time.monotonic() - began < 3
    assert raised.value.retryable
    assert "s3cr3t" not in str(raised.value)
    assert raised.value.__cause__ is None


async def test_an_unknown_scheme_names_the_setting() -> None:
    for source in (None, "our_vault:Vault"):
        with pytest.raises(KeyUnreadable, match=r"no key source for aws:…; set SWITCHBOARD_KEY_SOURCE of the worker"):
            await keys("aws:acme", source=source)


async def test_an_encrypted_key_is_decrypted_without_a_key_source() -> None:
    encrypted = {"llm": ProviderKeyCipher(Encryption(settings())).encrypt("acme", "llm", "s3cr3t")}
    assert await keys("encrypted:0123456789ab", encrypted=encrypted, source=None) == {"llm": Secret("s3cr3t")}


@pytest.mark.parametrize(
    ("encrypted", "problem"),
    [
        ({}, "Redis does not have it; apply the tenants file again"),
        ({"llm": "gAAA"}, "encrypted with an encryption key"),
    ],
)
async def test_an_encrypted_key_that_cannot_be_decrypted_names_tenant_table_and_cure(
    encrypted: dict[str, str], problem: str
) -> None:
    with pytest.raises(SwitchboardError, match=r"^Tenant 'acme', \[llm\] key: ") as raised:
        await keys("encrypted:0123456789ab", encrypted=encrypted)
    assert problem in str(raised.value)
    assert "switchboard tenants apply" in str(raised.value)
    assert not raised.value.retryable


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("no_such_module:Vault", "importing it raised ModuleNotFoundError"),
        ("our_vault:Nothing", "importing it raised AttributeError"),
        ("our_vault:Unfit", "has no `scheme` and `read`"),
        ("our_vault:Posing", "its scheme 'env' is one of Switchboard's own"),
        ("our_vault:refusing", "calling it raised PermissionError"),
    ],
)
def test_an_unusable_key_source_names_the_setting_and_the_reason(source: str, problem: str) -> None:
    with pytest.raises(InvalidSetting, match="SWITCHBOARD_KEY_SOURCE") as raised:
        key_source.load(settings(source))
    assert problem in str(raised.value)


def test_the_workers_main_process_imports_the_module_and_calls_nothing() -> None:
    key_source.preload(settings("our_vault:refusing"))
    assert "our_vault" in sys.modules
