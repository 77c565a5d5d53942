"""Deepgram: streaming STT over a websocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.errors import InvalidProviderOption
from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import OwnOptions, key_of, own_options
from pipeline.providers.not_given import given

if TYPE_CHECKING:
    from livekit.plugins import deepgram

DEFAULT_MODEL = "nova-3"
DEFAULT_LANGUAGE = "en-US"
BASE_URL = "https://api.deepgram.com/v1/listen"


class DeepgramOptions(OwnOptions):
    """As in Deepgram's documentation. `keyterms`: names and words to expect (nova-3)."""

    keyterms: list[str] | None = Field(default=None, min_length=1)
    endpointing_ms: int = Field(default=25, ge=0, le=5000)
    punctuate: bool = True
    smart_format: bool = False
    numerals: bool = False
    filler_words: bool = True
    profanity_filter: bool = False
    redact: list[str] | None = None
    mip_opt_out: bool = False


def check_stt(options: ProviderOptions) -> DeepgramOptions:
    """Its own options. Raises InvalidProviderOption."""
    own = own_options("stt", options, DeepgramOptions)
    model = options.model or DEFAULT_MODEL
    if own.keyterms is not None and not model.startswith("nova-3"):
        raise InvalidProviderOption(
            kind="stt",
            name=options.name,
            field="keyterms",
            value=own.keyterms,
            cure=f"{model} has none; use a nova-3 model",
        )
    return own


def build_stt(options: ProviderOptions, own: DeepgramOptions) -> deepgram.STT:
    """Streaming recognition. `base_url` is the whole address, with its path."""
    from livekit.plugins import deepgram  # noqa: PLC0415

    return deepgram.STT(
        model=options.model or DEFAULT_MODEL,
        language=options.language or DEFAULT_LANGUAGE,
        api_key=key_of("stt", options),
        base_url=options.base_url or BASE_URL,
        keyterm=given(own.keyterms),
        endpointing_ms=own.endpointing_ms,
        punctuate=own.punctuate,
        smart_format=own.smart_format,
        numerals=own.numerals,
        filler_words=own.filler_words,
        profanity_filter=own.profanity_filter,
        redact=given(own.redact),
        mip_opt_out=own.mip_opt_out,
    )
