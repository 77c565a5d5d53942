"""ElevenLabs' plugin, as the registry builds it, against its own protocol."""

from __future__ import annotations

import pytest
from livekit import rtc

from pipeline.options import ProviderOptions, Secret
from pipeline.providers import build_tts
from pipeline.providers.local.sphinx import recognise
from tests.integration.pipeline.providers.conftest import nothing_foreign
from tests.provider_emulators.elevenlabs import ElevenlabsServer

ANSWER = "We are closed on the weekend."
KEY = Secret("el-of-a-tenant")


@pytest.mark.usefixtures("http")
async def test_text_goes_to_the_tenants_voice_with_the_tenants_key_and_comes_back_as_sound() -> None:
    server = ElevenlabsServer()
    async with server.serve():
        options = ProviderOptions(
            "elevenlabs",
            model="eleven_turbo_v2_5",
            voice="a-voice",
            language="en",
            base_url=server.url,
            api_key=KEY,
            extra={"encoding": "pcm_16000", "stability": 0.3, "speed": 1.1},
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
    assert request.key == "el-of-a-tenant"
    asked = request.fields
    assert asked["voice"] == "a-voice"
    assert (asked["model_id"], asked["language_code"], asked["output_format"]) == (
        "eleven_turbo_v2_5",
        "en",
        "pcm_16000",
    )
    assert server.packets[0]["voice_settings"] == {"stability": 0.3, "similarity_boost": 0.75, "speed": 1.1}
    nothing_foreign(server)


async def test_what_is_left_out_has_a_default_and_nothing_comes_from_the_environment() -> None:
    voice = build_tts(ProviderOptions("elevenlabs", api_key=KEY))
    assert (voice.provider, voice.model) == ("ElevenLabs", "eleven_flash_v2_5")
    assert voice.capabilities.streaming
    options = vars(voice)["_opts"]
    assert (options.api_key, options.base_url) == ("el-of-a-tenant", "https://api.elevenlabs.io/v1")
