"""Cartesia's plugin, as the registry builds it, against an emulator of its protocol."""

from __future__ import annotations

import pytest
from livekit import rtc

from pipeline.options import ProviderOptions, Secret
from pipeline.providers import build_tts
from pipeline.providers.local.sphinx import recognise
from tests.integration.pipeline.providers.conftest import nothing_foreign
from tests.provider_emulators.cartesia import CartesiaEmulator

ANSWER = "We are closed on the weekend."


@pytest.mark.usefixtures("http")
async def test_a_text_is_spoken_with_the_tenants_voice_and_key() -> None:
    emulator = CartesiaEmulator()
    async with emulator.serve():
        options = ProviderOptions(
            "cartesia",
            model="sonic-3-of-a-tenant",
            voice="a-voice",
            language="en",
            base_url=emulator.url,
            api_key=Secret("ca-of-a-tenant"),
            extra={"speed": 1.2, "sample_rate": 16000},
        )
        cartesia = build_tts(options)
        async with cartesia.stream() as stream:
            stream.push_text(ANSWER)
            stream.end_input()
            audio = [chunk.frame async for chunk in stream]
        await cartesia.aclose()
    heard = recognise(rtc.combine_audio_frames(audio).data.tobytes(), ["we are closed on the weekend"])
    assert heard == ["we are closed on the weekend"]
    (request,) = emulator.requests
    assert request.key == "ca-of-a-tenant"
    packet = emulator.packets[0]
    assert (packet["model_id"], packet["voice"]["id"], packet["language"]) == ("sonic-3-of-a-tenant", "a-voice", "en")
    assert packet["generation_config"]["speed"] == 1.2
    nothing_foreign(emulator)
