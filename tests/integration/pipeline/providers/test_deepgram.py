"""Deepgram's plugin, as the registry builds it, against its own protocol."""

from __future__ import annotations

import pytest

from pipeline.options import ProviderOptions, Secret
from pipeline.providers import build_stt
from tests.integration.pipeline.providers.conftest import nothing_foreign
from tests.integration.pipeline.providers.live import finals, heard
from tests.provider_emulators.deepgram import DeepgramServer
from tests.unit.pipeline.providers.speech import silence, spoken

QUESTION = "what are your opening hours"
KEY = Secret("dg-of-a-tenant")


@pytest.mark.usefixtures("http")
async def test_audio_goes_to_the_tenants_address_with_the_tenants_key_and_comes_back_as_text() -> None:
    server = DeepgramServer(phrases=[QUESTION])
    async with server.serve():
        options = ProviderOptions(
            "deepgram",
            model="nova-3-medical",
            language="en-GB",
            base_url=server.url,
            api_key=KEY,
            extra={"keyterms": ["Acme", "Switchboard"], "endpointing_ms": 300, "smart_format": True},
        )
        events = await heard(build_stt(options), spoken(QUESTION) + silence(1))
    assert finals(events) == [QUESTION]
    (request,) = server.requests
    assert request.key == "dg-of-a-tenant"
    asked = request.fields
    assert (asked["model"], asked["language"], asked["endpointing"]) == ("nova-3-medical", "en-GB", "300")
    assert asked["keyterm"] == ["Acme", "Switchboard"]
    assert (asked["smart_format"], asked["interim_results"], asked["sample_rate"]) == ("true", "true", "16000")
    nothing_foreign(server)


@pytest.mark.usefixtures("http")
async def test_flux_is_asked_over_the_second_version_of_the_protocol() -> None:
    server = DeepgramServer(phrases=[QUESTION])
    async with server.serve():
        options = ProviderOptions(
            "deepgram-flux",
            model="flux-general-multi",
            base_url=server.flux_url,
            api_key=KEY,
            extra={"keyterms": ["Acme"], "language_hints": ["en", "de"], "eot_threshold": 0.8},
        )
        events = await heard(build_stt(options), spoken(QUESTION) + silence(1))
    assert finals(events) == [QUESTION]
    (request,) = server.requests
    assert (request.path, request.key) == ("/v2/listen", "dg-of-a-tenant")
    asked = request.fields
    assert (asked["model"], asked["keyterm"], asked["eot_threshold"]) == ("flux-general-multi", "Acme", "0.8")
    assert asked["language_hint"] == ["en", "de"]
    nothing_foreign(server)


def test_what_is_left_out_has_a_default_and_nothing_comes_from_the_environment() -> None:
    ears = build_stt(ProviderOptions("deepgram", api_key=KEY))
    assert (ears.provider, ears.model) == ("Deepgram", "nova-3")
    assert ears.capabilities.streaming
    assert vars(ears)["_api_key"] == "dg-of-a-tenant"
    options = vars(ears)["_opts"]
    assert (options.endpoint_url, options.language) == ("https://api.deepgram.com/v1/listen", "en-US")
