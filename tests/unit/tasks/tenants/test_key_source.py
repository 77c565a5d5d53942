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
from tasks.encryption import Seal
from tasks.errors import InvalidSetting, KeySourceUnavailable, KeyUnreadable, SwitchboardError
from tasks.settings import Settings
from tasks.tenants import Tenant, key_source
from tasks.tenants.key_cipher import KeyRing

VAULT = """
    import asyncio
    from tasks.tenants.key_source import KeyNotGiven

    class Vault:
        scheme = "vault"
        tries = 0

        async def read(self, place, *, tenant):
            Vault.tries += 1
            if place == "down":
                raise ConnectionError("Authorization: Bearer s3cr3t")
            if place == "hangs":
                await asyncio.sleep(3600)
            if place == "shaky" and Vault.tries < 3:
                raise TimeoutError
            if place == "empty":
                return ""
            if not place.startswith(f"{tenant}/"):
                raise KeyNotGiven(f"{place} is not a path of {tenant}")
            return f"the key at {place}"

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
    given = {"livekit_api_key": "key", "livekit_api_secret": "secret", "key_source": source}
    return Settings.model_validate(given)


async def keys(
    reference: str, *, sealed: Mapping[str, str] | None = None, source: str | None = "our_vault:Vault"
) -> dict[str, Secret]:
    tenant = Tenant.model_validate({"id": "acme", "tier": "free", "llm": {"provider": "openai", "key": reference}})
    return await provider_keys(tenant, sealed or {}, settings(source))


async def test_a_key_of_its_scheme_is_asked_for_with_its_place_and_its_tenant() -> None:
    assert await keys("vault:acme/openai#key") == {"llm": Secret("the key at acme/openai#key")}


async def test_what_the_source_refuses_is_final_and_says_why() -> None:
    with pytest.raises(KeyUnreadable, match=r"^Tenant 'acme', \[llm\] key: bolt/x is not a path of acme\.$") as raised:
        await keys("vault:bolt/x")
    assert not raised.value.retryable


async def test_an_empty_key_is_final() -> None:
    with pytest.raises(KeyUnreadable, match="has an empty one at empty"):
        await keys("vault:empty")


async def test_a_source_that_is_away_for_a_moment_costs_no_attempt() -> None:
    with pytest.raises(KeyUnreadable, match="shaky is not a path of acme"):
        await keys("vault:shaky")


@pytest.mark.parametrize(("place", "error"), [("down", "ConnectionError"), ("hangs", "TimeoutError")])
async def test_a_source_that_is_away_is_for_the_next_attempt_and_its_error_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch, place: str, error: str
) -> None:
    monkeypatch.setattr(key_source, "SECONDS", 0.6)
    began = time.monotonic()
    with pytest.raises(KeySourceUnavailable, match=rf"did not give it within 0\.6 s \({error}\)") as raised:
        await keys(f"vault:{place}")
    assert time.monotonic() - began < 3
    assert raised.value.retryable
    assert "s3cr3t" not in str(raised.value)
    assert raised.value.__cause__ is None


async def test_a_scheme_that_nobody_reads_names_the_setting() -> None:
    for source in (None, "our_vault:Vault"):
        with pytest.raises(KeyUnreadable, match=r"nobody here reads aws:…; set SWITCHBOARD_KEY_SOURCE of the worker"):
            await keys("aws:acme", source=source)


async def test_a_sealed_key_is_opened_without_asking_anybody() -> None:
    sealed = {"llm": KeyRing(Seal(settings())).close("acme", "llm", "s3cr3t")}
    assert await keys("sealed:0123456789ab", sealed=sealed, source=None) == {"llm": Secret("s3cr3t")}


@pytest.mark.parametrize(
    ("sealed", "problem"),
    [({}, "Redis does not have it; apply the tenants file again"), ({"llm": "gAAA"}, "sealed with an encryption key")],
)
async def test_a_sealed_key_that_cannot_be_opened_names_tenant_table_and_cure(
    sealed: dict[str, str], problem: str
) -> None:
    with pytest.raises(SwitchboardError, match=r"^Tenant 'acme', \[llm\] key: ") as raised:
        await keys("sealed:0123456789ab", sealed=sealed)
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
def test_a_source_that_is_none_names_the_setting_and_why(source: str, problem: str) -> None:
    with pytest.raises(InvalidSetting, match="SWITCHBOARD_KEY_SOURCE") as raised:
        key_source.load(settings(source))
    assert problem in str(raised.value)


def test_the_workers_main_process_imports_the_module_and_calls_nothing() -> None:
    key_source.preload(settings("our_vault:refusing"))
    assert "our_vault" in sys.modules
