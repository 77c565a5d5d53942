"""Deepgram's plugin, as the registry builds it, against its own protocol."""

from __future__ import annotations

import pytest

from pipeline.options import ProviderOptions, Secret
from pipeline.providers import build_stt
from tests.integration.providers.live import finals, heard
from tests.integration.providers.loopback import DeepgramServer
from tests.unit.providers.speech import silence, spoken

QUESTION = "what are your opening hours"
KEY = Secret("dg-of-a-tenant")


@pytest.mark.usefixtures("http")
async def test_audio_goes_to_the_tenants_address_with_the_tenants_key_and_comes_back_as_text() -> None:
    server = DeepgramServer([QUESTION])
    async with server.serve():
        options = ProviderOptions(
            "deepgram",
            model="nova-3-medical",
            language="en-GB",
            base_url=f"{server.url}/v1/listen",
            api_key=KEY,
            extra={"keyterms": ["Acme", "Switchboard"], "endpointing_ms": 300, "smart_format": True},
        )
        events = await heard(build_stt(options), spoken(QUESTION) + silence(1))
    assert finals(events) == [QUESTION]
    (request,) = server.requests
    assert request.headers["Authorization"] == "Token dg-of-a-tenant"
    asked = request.query
    assert (asked["model"], asked["language"], asked["endpointing"]) == ("nova-3-medical", "en-GB", "300")
    assert asked.getall("keyterm") == ["Acme", "Switchboard"]
    assert (asked["smart_format"], asked["interim_results"], asked["sample_rate"]) == ("true", "true", "16000")


def test_what_is_left_out_has_a_default_and_nothing_comes_from_the_environment() -> None:
    ears = build_stt(ProviderOptions("deepgram", api_key=KEY))
    assert (ears.provider, ears.model) == ("Deepgram", "nova-3")
    assert ears.capabilities.streaming
    assert vars(ears)["_api_key"] == "dg-of-a-tenant"
    options = vars(ears)["_opts"]
    assert (options.endpoint_url, options.language) == ("https://api.deepgram.com/v1/listen", "en-US")
