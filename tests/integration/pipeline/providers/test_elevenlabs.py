"""ElevenLabs' plugin, as the registry builds it, against an emulator of its protocol."""

from __future__ import annotations

import pytest
from livekit import rtc

from pipeline.options import ProviderOptions, Secret
from pipeline.providers import build_tts
from pipeline.providers.local.sphinx import recognise
from tests.integration.pipeline.providers.conftest import nothing_foreign
from tests.provider_emulators.elevenlabs import ElevenlabsEmulator

ANSWER = "We are closed on the weekend."
KEY = Secret("el-of-a-tenant")


@pytest.mark.usefixtures("http")
async def test_a_text_is_spoken_with_the_tenants_voice_and_key() -> None:
    emulator = ElevenlabsEmulator()
    async with emulator.serve():
        options = ProviderOptions(
            "elevenlabs",
            model="eleven_turbo_v2_5",
            voice="a-voice",
            language="en",
            base_url=emulator.url,
            api_key=KEY,
            extra={"encoding": "pcm_16000", "stability": 0.3, "speed": 1.1},
        )
        elevenlabs = build_tts(options)
        async with elevenlabs.stream() as stream:
            stream.push_text(ANSWER)
            stream.end_input()
            audio = [chunk.frame async for chunk in stream]
        await elevenlabs.aclose()
    heard = recognise(rtc.combine_audio_frames(audio).data.tobytes(), ["we are closed on the weekend"])
    assert heard == ["we are closed on the weekend"]
    (request,) = emulator.requests
    assert request.key == "el-of-a-tenant"
    asked = request.fields
    assert asked["voice"] == "a-voice"
    assert (asked["model_id"], asked["language_code"], asked["output_format"]) == (
        "eleven_turbo_v2_5",
        "en",
        "pcm_16000",
    )
    assert emulator.packets[0]["voice_settings"] == {"stability": 0.3, "similarity_boost": 0.75, "speed": 1.1}
    nothing_foreign(emulator)


async def test_omitted_options_have_defaults_and_nothing_comes_from_the_environment() -> None:
    elevenlabs = build_tts(ProviderOptions("elevenlabs", api_key=KEY))
    assert (elevenlabs.provider, elevenlabs.model) == ("ElevenLabs", "eleven_flash_v2_5")
    assert elevenlabs.capabilities.streaming
    options = vars(elevenlabs)["_opts"]
    assert (options.api_key, options.base_url) == ("el-of-a-tenant", "https://api.elevenlabs.io/v1")
