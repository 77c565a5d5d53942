"""Cartesia: streaming TTS over a websocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import OwnOptions, key_of, own_options

if TYPE_CHECKING:
    from livekit.plugins import cartesia

DEFAULT_MODEL = "sonic-3"
DEFAULT_VOICE = "f786b574-daa5-4673-aa0c-cbe3e8534c02"
BASE_URL = "https://api.cartesia.ai"


class CartesiaOptions(OwnOptions):
    """As in Cartesia's documentation: `speed`, `volume` and `emotion` of sonic-3. `sample_rate`: in Hz."""

    speed: float | None = Field(default=None, ge=0.6, le=2)
    volume: float | None = Field(default=None, ge=0.5, le=2)
    emotion: str | None = None
    sample_rate: int = Field(default=24000, ge=8000, le=48000)


def check_tts(options: ProviderOptions) -> CartesiaOptions:
    """Its own options. Raises InvalidProviderOption."""
    return own_options("tts", options, CartesiaOptions)


def build_tts(options: ProviderOptions, own: CartesiaOptions) -> cartesia.TTS:
    """Streaming speech. `voice` is a voice's id."""
    from livekit.plugins import cartesia  # noqa: PLC0415

    return cartesia.TTS(
        model=options.model or DEFAULT_MODEL,
        voice=options.voice or DEFAULT_VOICE,
        language=options.language or "en",
        api_key=key_of("tts", options),
        base_url=options.base_url or BASE_URL,
        speed=own.speed,
        volume=own.volume,
        emotion=own.emotion,
        sample_rate=own.sample_rate,
        # Nobody here follows the words, and only some of the languages have them.
        word_timestamps=False,
    )
