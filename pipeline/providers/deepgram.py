"""Deepgram: streaming STT over a websocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import ExtraOptions, invalid_option, parse_extra, required_key
from pipeline.providers.not_given import or_not_given

if TYPE_CHECKING:
    from livekit.plugins import deepgram

DEFAULT_MODEL = "nova-3"
DEFAULT_LANGUAGE = "en-US"
BASE_URL = "https://api.deepgram.com/v1/listen"


class DeepgramOptions(ExtraOptions):
    """Extra options, as in Deepgram's documentation. `keyterms`: names and words to expect (nova-3 only)."""

    keyterms: list[str] | None = Field(default=None, min_length=1)
    endpointing_ms: int = Field(default=25, ge=0, le=5000)
    punctuate: bool = True
    smart_format: bool = False
    numerals: bool = False
    filler_words: bool = True
    profanity_filter: bool = False
    redact: list[str] | None = None
    mip_opt_out: bool = False


def validate_stt(options: ProviderOptions) -> DeepgramOptions:
    """Return the extra options, validated. Raises InvalidProviderOption."""
    extra = parse_extra("stt", options, DeepgramOptions)
    model = options.model or DEFAULT_MODEL
    if extra.keyterms is not None and not model.startswith("nova-3"):
        raise invalid_option("stt", options, "keyterms", extra.keyterms, f"{model} has none; use a nova-3 model")
    return extra


def build_stt(options: ProviderOptions, extra: DeepgramOptions) -> deepgram.STT:
    """Build the streaming STT. `base_url` is the whole address, with its path."""
    from livekit.plugins import deepgram  # noqa: PLC0415

    return deepgram.STT(
        model=options.model or DEFAULT_MODEL,
        language=options.language or DEFAULT_LANGUAGE,
        api_key=required_key("stt", options),
        base_url=options.base_url or BASE_URL,
        keyterm=or_not_given(extra.keyterms),
        endpointing_ms=extra.endpointing_ms,
        punctuate=extra.punctuate,
        smart_format=extra.smart_format,
        numerals=extra.numerals,
        filler_words=extra.filler_words,
        profanity_filter=extra.profanity_filter,
        redact=or_not_given(extra.redact),
        mip_opt_out=extra.mip_opt_out,
    )
