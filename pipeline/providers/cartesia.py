"""Cartesia: streaming TTS over a websocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import ExtraOptions, parse_extra, required_key

if TYPE_CHECKING:
    from livekit.plugins import cartesia

DEFAULT_MODEL = "sonic-3"
DEFAULT_VOICE = "f786b574-daa5-4673-aa0c-cbe3e8534c02"
BASE_URL = "https://api.cartesia.ai"


class CartesiaOptions(ExtraOptions):
    """Extra options, as in Cartesia's documentation: `speed`, `volume`, `emotion` for sonic-3. `sample_rate` in Hz."""

    speed: float | None = Field(default=None, ge=0.6, le=2)
    volume: float | None = Field(default=None, ge=0.5, le=2)
    emotion: str | None = None
    sample_rate: int = Field(default=24000, ge=8000, le=48000)


def validate_tts(options: ProviderOptions) -> CartesiaOptions:
    """Return the extra options, validated. Raises InvalidProviderOption."""
    return parse_extra("tts", options, CartesiaOptions)


def build_tts(options: ProviderOptions, extra: CartesiaOptions) -> cartesia.TTS:
    """Build the streaming TTS. `voice` is the id of a voice."""
    from livekit.plugins import cartesia  # noqa: PLC0415

    return cartesia.TTS(
        model=options.model or DEFAULT_MODEL,
        voice=options.voice or DEFAULT_VOICE,
        language=options.language or "en",
        api_key=required_key("tts", options),
        base_url=options.base_url or BASE_URL,
        speed=extra.speed,
        volume=extra.volume,
        emotion=extra.emotion,
        sample_rate=extra.sample_rate,
        # Nothing here uses them, and only some languages have them.
        word_timestamps=False,
    )
