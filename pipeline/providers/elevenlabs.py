"""ElevenLabs: streaming TTS over a websocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import ExtraOptions, parse_extra, required_key
from pipeline.providers.not_given import or_not_given

if TYPE_CHECKING:
    from livekit.plugins import elevenlabs

# The fastest of the multilingual models.
DEFAULT_MODEL = "eleven_flash_v2_5"
BASE_URL = "https://api.elevenlabs.io/v1"


class ElevenlabsOptions(ExtraOptions):
    """Extra options, as in ElevenLabs' documentation. The first five are the voice settings."""

    stability: float | None = Field(default=None, ge=0, le=1)
    similarity_boost: float | None = Field(default=None, ge=0, le=1)
    style: float | None = Field(default=None, ge=0, le=1)
    speed: float | None = Field(default=None, ge=0.7, le=1.2)
    use_speaker_boost: bool | None = None
    encoding: Literal["mp3_22050_32", "mp3_44100_64", "pcm_16000", "pcm_22050", "pcm_24000"] = "mp3_22050_32"
    enable_logging: bool = True


def validate_tts(options: ProviderOptions) -> ElevenlabsOptions:
    """Return the extra options, validated. Raises InvalidProviderOption."""
    return parse_extra("tts", options, ElevenlabsOptions)


def build_tts(options: ProviderOptions, extra: ElevenlabsOptions) -> elevenlabs.TTS:
    """Build the streaming TTS. `voice` is the id of a voice."""
    from livekit.plugins import elevenlabs  # noqa: PLC0415

    return elevenlabs.TTS(
        model=options.model or DEFAULT_MODEL,
        voice_id=options.voice or elevenlabs.DEFAULT_VOICE_ID,
        voice_settings=or_not_given(_voice_settings(extra)),
        language=or_not_given(options.language),
        api_key=required_key("tts", options),
        base_url=options.base_url or BASE_URL,
        encoding=extra.encoding,
        enable_logging=extra.enable_logging,
    )


def _voice_settings(extra: ElevenlabsOptions) -> elevenlabs.VoiceSettings | None:
    from livekit.plugins import elevenlabs  # noqa: PLC0415

    fields = {"stability", "similarity_boost", "style", "speed", "use_speaker_boost"}
    settings = extra.model_dump(include=fields, exclude_none=True)
    if not settings:
        # ElevenLabs then uses the settings stored with the voice.
        return None
    return elevenlabs.VoiceSettings(**{"stability": 0.5, "similarity_boost": 0.75} | settings)
