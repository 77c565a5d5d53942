"""Errors of the registry, and their messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.errors import InvalidProviderOption, MissingKey, UnknownProvider
from pipeline.options import ProviderOptions, Secret
from pipeline.providers import PROVIDERS, build_llm, build_stt, build_tts

Build = Callable[[ProviderOptions], Any]
BUILDERS: dict[str, Build] = {"stt": build_stt, "llm": build_llm, "tts": build_tts}
KEY = Secret("sk-of-a-tenant")


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("stt", "Known stt providers: deepgram, deepgram-flux, google, local, openai."),
        ("llm", "Known llm providers: anthropic, google, groq, langgraph, local, openai."),
        ("tts", "Known tts providers: cartesia, elevenlabs, local, openai."),
    ],
)
def test_an_unknown_name_is_an_error_that_lists_the_known_ones(kind: str, known: str) -> None:
    with pytest.raises(UnknownProvider) as raised:
        BUILDERS[kind](ProviderOptions("whatsper"))
    assert str(raised.value) == f"Unknown {kind} provider 'whatsper'. {known}"


@pytest.mark.parametrize(
    ("kind", "name"), [(provider.kind, provider.name) for provider in PROVIDERS if provider.key != "never"]
)
def test_a_missing_key_is_named_as_in_the_tenants_file(kind: str, name: str) -> None:
    with pytest.raises(MissingKey) as raised:
        BUILDERS[kind](ProviderOptions(name))
    assert f"The {kind} provider '{name}' needs a key: set `key` in the tenant's [{kind}] table" in str(raised.value)


@pytest.mark.parametrize(("kind", "name"), [("stt", "deepgram"), ("tts", "elevenlabs")])
def test_a_base_url_does_not_replace_a_key_that_is_always_needed(kind: str, name: str) -> None:
    with pytest.raises(MissingKey):
        BUILDERS[kind](ProviderOptions(name, base_url="http://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("stt", ProviderOptions("local", model="large"), "cannot use model = 'large': leave it out"),
        ("llm", ProviderOptions("openai", voice="ash", api_key=KEY), "cannot use voice = 'ash': leave it out"),
        ("tts", ProviderOptions("local", api_key=KEY), "cannot use key = ***: leave it out"),
        ("stt", ProviderOptions("local", language="de"), "language = 'de': it understands English alone"),
        ("tts", ProviderOptions("local", voice="nobody"), "voice = 'nobody': espeak-ng has no voice 'nobody'"),
        ("tts", ProviderOptions("local", language="xx-YY"), "language = 'xx': espeak-ng has no voice 'xx'"),
        ("tts", ProviderOptions("local", voice="en-us+nobody"), "espeak-ng has no voice 'en-us+nobody'"),
        ("tts", ProviderOptions("local", extra={"speed": 9000}), "speed = 9000: Input should be less than"),
        ("tts", ProviderOptions("local", extra={"speed": "fast"}), "speed = 'fast': Input should be a valid integer"),
        ("stt", ProviderOptions("local", extra={"phrases": []}), "phrases = []"),
        (
            "stt",
            ProviderOptions("local", extra={"phrases": ["flurbish"]}),
            "'flurbish' in 'flurbish' is not in",
        ),
        ("stt", ProviderOptions("local", extra={"phrases": ["call (me"]}), "alternatives look like (one|two)"),
        ("llm", ProviderOptions("local", extra={"script": [{"hear": ["hi"]}]}), "script.0.say"),
        ("llm", ProviderOptions("local", extra={"delay_ms": -1}), "delay_ms = -1"),
        ("llm", ProviderOptions("openai", base_url="http://127.0.0.1:1/v1"), "model = None: name the model"),
        (
            "stt",
            ProviderOptions("deepgram", model="nova-2", api_key=KEY, extra={"keyterms": ["Acme"]}),
            "keyterms = ['Acme']: nova-2 has none; use a nova-3 model",
        ),
        (
            "stt",
            ProviderOptions("deepgram-flux", model="nova-3", api_key=KEY),
            "model = 'nova-3': the others are of the provider deepgram",
        ),
        (
            "stt",
            ProviderOptions("deepgram-flux", api_key=KEY, extra={"eager_eot_threshold": 0.8}),
            "eager_eot_threshold must not be greater than eot_threshold",
        ),
        (
            "stt",
            ProviderOptions("deepgram-flux", api_key=KEY, extra={"language_hints": ["de"]}),
            "flux-general-en takes none; use flux-general-multi",
        ),
        (
            "llm",
            ProviderOptions("google", model="gemini-2.5-flash", api_key=KEY, extra={"thinking_level": "low"}),
            "thinking_level = 'low': gemini-2.5-flash takes thinking_budget",
        ),
        ("stt", ProviderOptions("google", api_key=KEY), "cannot use key = ***: give the JSON key of a service account"),
        ("llm", ProviderOptions("langgraph", extra={"graph": "no colon"}), "graph = 'no colon'"),
        (
            "tts",
            ProviderOptions("elevenlabs", api_key=KEY, extra={"stability": 2}),
            "stability = 2: Input should be less than or equal to 1",
        ),
    ],
)
def test_an_option_that_cannot_be_used_is_named_with_its_cure(
    kind: str, options: ProviderOptions, message: str
) -> None:
    with pytest.raises(InvalidProviderOption) as raised:
        BUILDERS[kind](options)
    assert f"The {kind} provider '{options.name}' cannot use" in str(raised.value)
    assert message in str(raised.value)


@pytest.mark.parametrize(("kind", "name"), [(provider.kind, provider.name) for provider in PROVIDERS])
def test_an_option_that_does_not_exist_is_named_with_those_that_do_and_its_value_withheld(kind: str, name: str) -> None:
    key = None if name in {"local", "langgraph"} else KEY
    with pytest.raises(InvalidProviderOption) as raised:
        BUILDERS[kind](ProviderOptions(name, api_key=key, extra={"api_key": "sk-written-in-the-wrong-place"}))
    assert "cannot use api_key = ***: there is no such option; the provider's own options are" in str(raised.value)
    assert "sk-written" not in str(raised.value)


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: f"{provider.kind}-{provider.name}")
def test_no_error_of_this_package_can_be_cured_by_another_attempt(provider: Any) -> None:
    with pytest.raises((MissingKey, InvalidProviderOption)) as raised:
        BUILDERS[provider.kind](ProviderOptions(provider.name, extra={"no": "such option"}))
    assert not raised.value.retryable
