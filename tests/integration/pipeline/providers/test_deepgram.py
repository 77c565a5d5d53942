"""Deepgram's plugins, as the registry builds them, against an emulator of their protocol."""

from __future__ import annotations

import pytest

from pipeline.options import ProviderOptions, Secret
from pipeline.providers import build_stt
from tests.integration.pipeline.providers.conftest import nothing_foreign
from tests.integration.pipeline.providers.live import finals, recognised
from tests.provider_emulators.deepgram import DeepgramEmulator
from tests.support.speech import silence, spoken

QUESTION = "what are your opening hours"
KEY = Secret("dg-of-a-tenant")


@pytest.mark.usefixtures("http")
async def test_audio_is_transcribed_at_the_tenants_address_with_the_tenants_key() -> None:
    emulator = DeepgramEmulator(phrases=[QUESTION])
    async with emulator.serve():
        options = ProviderOptions(
            "deepgram",
            model="nova-3-medical",
            language="en-GB",
            base_url=emulator.url,
            api_key=KEY,
            extra={"keyterms": ["Acme", "Switchboard"], "endpointing_ms": 300, "smart_format": True},
        )
        events = await recognised(build_stt(options), spoken(QUESTION) + silence(1))
    assert finals(events) == [QUESTION]
    (request,) = emulator.requests
    assert request.key == "dg-of-a-tenant"
    asked = request.fields
    assert (asked["model"], asked["language"], asked["endpointing"]) == ("nova-3-medical", "en-GB", "300")
    assert asked["keyterm"] == ["Acme", "Switchboard"]
    assert (asked["smart_format"], asked["interim_results"], asked["sample_rate"]) == ("true", "true", "16000")
    nothing_foreign(emulator)


@pytest.mark.usefixtures("http")
async def test_flux_uses_version_2_of_the_protocol() -> None:
    emulator = DeepgramEmulator(phrases=[QUESTION])
    async with emulator.serve():
        options = ProviderOptions(
            "deepgram-flux",
            model="flux-general-multi",
            base_url=emulator.flux_url,
            api_key=KEY,
            extra={"keyterms": ["Acme"], "language_hints": ["en", "de"], "eot_threshold": 0.8},
        )
        events = await recognised(build_stt(options), spoken(QUESTION) + silence(1))
    assert finals(events) == [QUESTION]
    (request,) = emulator.requests
    assert (request.path, request.key) == ("/v2/listen", "dg-of-a-tenant")
    asked = request.fields
    assert (asked["model"], asked["keyterm"], asked["eot_threshold"]) == ("flux-general-multi", "Acme", "0.8")
    assert asked["language_hint"] == ["en", "de"]
    nothing_foreign(emulator)


def test_omitted_options_have_defaults_and_nothing_comes_from_the_environment() -> None:
    deepgram = build_stt(ProviderOptions("deepgram", api_key=KEY))
    assert (deepgram.provider, deepgram.model) == ("Deepgram", "nova-3")
    assert deepgram.capabilities.streaming
    assert vars(deepgram)["_api_key"] == "dg-of-a-tenant"
    options = vars(deepgram)["_opts"]
    assert (options.endpoint_url, options.language) == ("https://api.deepgram.com/v1/listen", "en-US")
