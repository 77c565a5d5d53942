"""Cartesia's plugin, as the registry builds it, against its own protocol."""

from __future__ import annotations

import pytest
from livekit import rtc

from pipeline.options import ProviderOptions, Secret
from pipeline.providers import build_tts
from pipeline.providers.local.sphinx import recognise
from tests.integration.pipeline.providers.conftest import nothing_foreign
from tests.provider_emulators.cartesia import CartesiaServer

ANSWER = "We are closed on the weekend."


@pytest.mark.usefixtures("http")
async def test_text_goes_to_the_tenants_voice_with_the_tenants_key_and_comes_back_as_sound() -> None:
    server = CartesiaServer()
    async with server.serve():
        options = ProviderOptions(
            "cartesia",
            model="sonic-3-of-a-tenant",
            voice="a-voice",
            language="en",
            base_url=server.url,
            api_key=Secret("ca-of-a-tenant"),
            extra={"speed": 1.2, "sample_rate": 16000},
        )
        voice = build_tts(options)
        async with voice.stream() as stream:
            stream.push_text(ANSWER)
            stream.end_input()
            audio = [chunk.frame async for chunk in stream]
        await voice.aclose()
    heard = recognise(rtc.combine_audio_frames(audio).data.tobytes(), ["we are closed on the weekend"])
    assert heard == ["we are closed on the weekend"]
    (request,) = server.requests
    assert request.key == "ca-of-a-tenant"
    packet = server.packets[0]
    assert (packet["model_id"], packet["voice"]["id"], packet["language"]) == ("sonic-3-of-a-tenant", "a-voice", "en")
    assert packet["generation_config"]["speed"] == 1.2
    nothing_foreign(server)
