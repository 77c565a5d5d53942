from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipeline.errors import UnknownProvider
from pipeline.options import Secret
from pipeline.providers import build_stt
from tasks.call.options import voice_agent_options
from tasks.errors import TenantInvalid
from tasks.tenants import Tenant

DEEPGRAM = {"provider": "deepgram", "language": "de", "smart_format": True}


def tenant(**table: object) -> Tenant:
    return Tenant.model_validate({"id": "acme", "tier": "free", **table})


def test_entries_of_a_tenant_override_the_defaults() -> None:
    options = voice_agent_options(
        tenant(greeting="Acme, good morning.", stt=DEEPGRAM, vad={"min_silence_seconds": 0.4}), {}
    )
    assert options.greeting == "Acme, good morning."
    assert (options.stt.name, options.stt.language, options.stt.extra) == ("deepgram", "de", {"smart_format": True})
    assert (options.llm.name, options.tts.name) == ("local", "local")
    assert options.vad.min_silence_seconds == 0.4
    assert "assistant" in options.instructions


def test_each_table_has_the_key_of_its_path_and_does_not_show_it() -> None:
    options = voice_agent_options(tenant(stt=DEEPGRAM), {"stt": Secret("STT key"), "tts": Secret("TTS key")})
    assert (options.stt.api_key, options.tts.api_key) == (Secret("STT key"), Secret("TTS key"))
    assert options.llm.api_key is None
    assert "STT key" not in repr(options)
    assert "TTS key" not in repr(options)


def test_fallbacks_are_tables_of_their_own_in_their_order_with_their_own_keys() -> None:
    fallbacks = [{"provider": "anthropic", "max_tokens": 99}, {"provider": "local"}]
    options = voice_agent_options(
        tenant(trouble_phrase="Pardon?", llm={"provider": "openai", "fallbacks": fallbacks}),
        {"llm": Secret("first"), "llm.fallbacks.0": Secret("second")},
    )
    assert options.trouble_phrase == "Pardon?"
    anthropic, local = options.llm.fallbacks
    assert (anthropic.name, anthropic.api_key, anthropic.extra) == ("anthropic", Secret("second"), {"max_tokens": 99})
    assert (local.name, local.api_key) == ("local", None)


@pytest.mark.parametrize("key", ["sk-123", "SK:123", "env:", ":NAME", "env: "])
def test_a_key_is_a_reference_and_nothing_else(key: str) -> None:
    with pytest.raises(ValidationError, match='it must be "env:NAME"'):
        tenant(stt={"provider": "deepgram", "key": key})


def test_every_table_with_a_provider_has_a_path_and_its_key_can_be_put_there() -> None:
    acme = tenant(
        stt={"provider": "deepgram", "key": "env:A", "fallbacks": [{"provider": "openai", "key": "env:B"}]},
        llm={"provider": "openai", "key": "vault:C", "fallbacks": [{"provider": "local"}, {"provider": "openai"}]},
    )
    assert [path for path, _ in acme.tables()] == [
        *("stt", "stt.fallbacks.0", "llm", "llm.fallbacks.0", "llm.fallbacks.1", "tts"),
    ]
    encrypted = acme.with_key_references({"stt": "encrypted:1", "stt.fallbacks.0": "encrypted:2"})
    assert [table.key for _, table in encrypted.tables()] == ["encrypted:1", "encrypted:2", "vault:C", None, None, None]
    assert [table.provider for _, table in encrypted.tables()] == [table.provider for _, table in acme.tables()]


def test_a_tuning_option_that_does_not_exist_lists_those_that_do() -> None:
    with pytest.raises(TenantInvalid, match=r"\[turn\] has no option 'patience'; it has detection, min_endpointing"):
        voice_agent_options(tenant(turn={"patience": 1}), {})


def test_a_tuning_value_of_the_wrong_type_names_its_field() -> None:
    with pytest.raises(TenantInvalid, match=r"\[turn\] detection: Input should be 'model' or 'vad'"):
        voice_agent_options(tenant(turn={"detection": "magic"}), {})


def test_an_unknown_provider_lists_the_known_ones() -> None:
    with pytest.raises(UnknownProvider, match=r"'whatsper'.*deepgram.*local.*openai"):
        build_stt(voice_agent_options(tenant(stt={"provider": "whatsper"}), {}).stt)


def test_what_a_tenant_records_is_validated() -> None:
    acme = {"id": "acme", "tier": "premium"}
    assert Tenant.model_validate({**acme, "record": ["audio", "audio"]}).record == ("audio",)
    for wrong in (
        {"record": ["video"]},
        {"record": "audio"},
        {"record_days": 0},
        {"record": ["audio"], "redact": True},
    ):
        with pytest.raises(ValidationError):
            Tenant.model_validate({**acme, **wrong})
