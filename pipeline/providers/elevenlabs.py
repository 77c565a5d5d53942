"""ElevenLabs: streaming TTS over a websocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import OwnOptions, key_of, own_options
from pipeline.providers.not_given import given

if TYPE_CHECKING:
    from livekit.plugins import elevenlabs

# The quickest of the models that speak many languages.
DEFAULT_MODEL = "eleven_flash_v2_5"
BASE_URL = "https://api.elevenlabs.io/v1"


class ElevenlabsOptions(OwnOptions):
    """As in ElevenLabs' documentation. The first five are the voice's settings."""

    stability: float | None = Field(default=None, ge=0, le=1)
    similarity_boost: float | None = Field(default=None, ge=0, le=1)
    style: float | None = Field(default=None, ge=0, le=1)
    speed: float | None = Field(default=None, ge=0.7, le=1.2)
    use_speaker_boost: bool | None = None
    encoding: Literal["mp3_22050_32", "mp3_44100_64", "pcm_16000", "pcm_22050", "pcm_24000"] = "mp3_22050_32"
    enable_logging: bool = True


def check_tts(options: ProviderOptions) -> ElevenlabsOptions:
    """Its own options. Raises InvalidProviderOption."""
    return own_options("tts", options, ElevenlabsOptions)


def build_tts(options: ProviderOptions, own: ElevenlabsOptions) -> elevenlabs.TTS:
    """Streaming speech. `voice` is a voice's id."""
    from livekit.plugins import elevenlabs  # noqa: PLC0415

    return elevenlabs.TTS(
        model=options.model or DEFAULT_MODEL,
        voice_id=options.voice or elevenlabs.DEFAULT_VOICE_ID,
        voice_settings=given(_settings(own)),
        language=given(options.language),
        api_key=key_of("tts", options),
        base_url=options.base_url or BASE_URL,
        encoding=own.encoding,
        enable_logging=own.enable_logging,
    )


def _settings(own: ElevenlabsOptions) -> elevenlabs.VoiceSettings | None:
    from livekit.plugins import elevenlabs  # noqa: PLC0415

    tuned = own.model_dump(include={"stability", "similarity_boost", "style", "speed", "use_speaker_boost"})
    tuned = {name: value for name, value in tuned.items() if value is not None}
    if not tuned:
        # Then each voice has the settings that its maker gave it.
        return None
    return elevenlabs.VoiceSettings(**{"stability": 0.5, "similarity_boost": 0.75} | tuned)
