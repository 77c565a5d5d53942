from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pipeline.errors import UnknownProvider
from pipeline.options import Secret
from pipeline.providers import build_stt
from tasks.call_options import voice_agent_options
from tasks.errors import KeyUnreadable, TenantInvalid, TenantsFileInvalid, UnknownNumber, UnknownTenant
from tasks.tenants import TomlTenants

TIERS = frozenset({"premium", "free"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tenants.toml"


def tenants(file: Path, content: str) -> TomlTenants:
    file.write_text(content)
    return TomlTenants(file, TIERS)


async def test_a_tenant_says_what_differs_and_the_rest_has_defaults(file: Path) -> None:
    store = tenants(
        file,
        """
        [tenants.acme]
        tier = "premium"
        greeting = "Acme, good morning."
        [tenants.acme.stt]
        provider = "deepgram"
        language = "de"
        smart_format = true
        [tenants.acme.vad]
        min_silence_seconds = 0.4
        """,
    )
    options = voice_agent_options(await store.get("acme"))
    assert options.greeting == "Acme, good morning."
    assert (options.stt.name, options.stt.language, options.stt.extra) == ("deepgram", "de", {"smart_format": True})
    assert (options.llm.name, options.tts.name) == ("local", "local")
    assert options.vad.min_silence_seconds == 0.4
    assert "assistant" in options.instructions


async def test_keys_are_references_that_are_read_for_the_call(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("from a file\n")
    monkeypatch.setenv("ACME_KEY", "from the environment")
    store = tenants(
        file,
        f"""
        [tenants.acme]
        tier = "free"
        stt = {{ provider = "deepgram", key = "env:ACME_KEY" }}
        tts = {{ provider = "elevenlabs", key = "file:{tmp_path}/key" }}
        """,
    )
    options = voice_agent_options(await store.get("acme"))
    assert options.stt.api_key == Secret("from the environment")
    assert options.tts.api_key == Secret("from a file")
    assert "from" not in repr(options.stt)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('tier = "gold"', "tier 'gold' does not exist; the tiers are free, premium"),
        ("", "tier: Field required"),
        ('tier = "free"\ncolour = "red"', "colour: Extra inputs are not permitted"),
        ('tier = "free"\nstt = { provider = "deepgram", key = "sk-123" }', 'key must be "env:NAME"'),
        ('tier = "free"\nstt = { model = "nova-3" }', "stt.provider: Field required"),
    ],
)
async def test_a_tenant_that_cannot_be_used_says_which_field_and_why(file: Path, table: str, problem: str) -> None:
    with pytest.raises(TenantInvalid, match="acme") as raised:
        await tenants(file, f"[tenants.acme]\n{table}\n").get("acme")
    assert problem in str(raised.value)
    assert "sk-123" not in str(raised.value)


async def test_a_tuning_option_that_does_not_exist_lists_those_that_do(file: Path) -> None:
    store = tenants(file, '[tenants.acme]\ntier = "free"\nturn = { patience = 1 }\n')
    with pytest.raises(TenantInvalid, match=r"\[turn\] has no option 'patience'; it has detection, min_endpointing"):
        voice_agent_options(await store.get("acme"))


async def test_a_tuning_value_of_the_wrong_type_names_its_field(file: Path) -> None:
    store = tenants(file, '[tenants.acme]\ntier = "free"\nturn = { detection = "magic" }\n')
    with pytest.raises(TenantInvalid, match=r"\[turn\] detection: Input should be 'model' or 'vad'"):
        voice_agent_options(await store.get("acme"))


async def test_a_key_that_is_not_set_says_where_it_should_be(file: Path) -> None:
    store = tenants(file, '[tenants.acme]\ntier = "free"\nstt = { provider = "deepgram", key = "env:NOT_SET" }\n')
    with pytest.raises(KeyUnreadable, match="NOT_SET is not set in the worker"):
        voice_agent_options(await store.get("acme"))


async def test_an_unknown_provider_lists_the_known_ones(file: Path) -> None:
    store = tenants(file, '[tenants.acme]\ntier = "free"\nstt = { provider = "whatsper" }\n')
    with pytest.raises(UnknownProvider, match=r"'whatsper'.*deepgram.*local.*openai"):
        build_stt(voice_agent_options(await store.get("acme")).stt)


async def test_a_mistake_in_one_tenant_does_not_touch_another(file: Path) -> None:
    store = tenants(file, '[tenants.acme]\ntier = "gold"\n[tenants.good]\ntier = "free"\n')
    assert (await store.get("good")).tier == "free"


async def test_a_tenant_nobody_declared_is_unknown(file: Path) -> None:
    with pytest.raises(UnknownTenant, match="no tenant 'acme'"):
        await tenants(file, "").get("acme")
    with pytest.raises(UnknownTenant):
        await TomlTenants(None, TIERS).get("acme")


async def test_a_changed_file_is_read_again(file: Path) -> None:
    store = tenants(file, '[tenants.acme]\ntier = "free"\n')
    assert (await store.get("acme")).tier == "free"
    tenants(file, '[tenants.acme]\ntier = "premium"\n')
    assert (await store.get("acme")).tier == "premium"


async def test_a_file_broken_meanwhile_leaves_the_last_good_one(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = tenants(file, '[tenants.acme]\ntier = "free"\n')
    await store.get("acme")
    tenants(file, "[tenants.acme\n")
    with caplog.at_level(logging.ERROR):
        assert (await store.get("acme")).tier == "free"
    assert "the last good one stays in use" in caplog.text


async def test_a_file_broken_from_the_start_is_an_error(file: Path) -> None:
    with pytest.raises(TenantsFileInvalid, match=r"tenants\.toml cannot be read"):
        await tenants(file, "[").get("acme")


async def test_a_tenant_is_found_by_each_of_its_numbers(file: Path) -> None:
    store = tenants(
        file,
        """
        [tenants.acme]
        tier = "premium"
        numbers = ["+15551234567", "+15551234568"]
        [tenants.bolt]
        tier = "gold"
        numbers = ["+15551234569"]
        [tenants.coral]
        tier = "free"
        numbers = "+15551234570"
        """,
    )
    assert (await store.by_number("+15551234567")).id == (await store.by_number("+15551234568")).id == "acme"
    with pytest.raises(TenantInvalid, match="bolt"):
        await store.by_number("+15551234569")
    for unknown in ("+15551234570", "15551234567", "+", ""):
        with pytest.raises(UnknownNumber, match="No tenant has the number"):
            await store.by_number(unknown)
