"""Deepgram Flux: streaming STT that detects the end of a turn, over version 2 of Deepgram's protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import ExtraOptions, invalid_option, parse_extra, required_key
from pipeline.providers.not_given import or_not_given

if TYPE_CHECKING:
    from livekit.plugins import deepgram

DEFAULT_MODEL = "flux-general-en"
MULTILINGUAL_MODEL = "flux-general-multi"
BASE_URL = "wss://api.deepgram.com/v2/listen"
DEFAULT_EOT_THRESHOLD = 0.7


class FluxOptions(ExtraOptions):
    """Extra options, as in Deepgram's documentation. `language_hints`: for the multilingual model only.

    `eager_eot_threshold`: the probability of the turn's end from which a preliminary answer is generated; None for no
    preliminary answers.
    """

    keyterms: list[str] | None = Field(default=None, min_length=1)
    eot_threshold: float | None = Field(default=None, ge=0.5, le=0.9)
    eager_eot_threshold: float | None = Field(default=None, ge=0.3, le=0.9)
    eot_timeout_ms: int | None = Field(default=None, ge=500, le=10_000)
    language_hints: list[str] | None = Field(default=None, min_length=1)
    numerals: bool = False
    profanity_filter: bool = False
    redact: Literal["numbers", "aggressive_numbers"] | None = None
    mip_opt_out: bool = False

    @model_validator(mode="after")
    def _eager_threshold_is_lower(self) -> FluxOptions:
        if (self.eager_eot_threshold or 0) > (self.eot_threshold or DEFAULT_EOT_THRESHOLD):
            msg = "eager_eot_threshold must not be greater than eot_threshold"
            raise ValueError(msg)
        return self


def validate_stt(options: ProviderOptions) -> FluxOptions:
    """Return the extra options, validated. Raises InvalidProviderOption."""
    extra = parse_extra("stt", options, FluxOptions)
    model = options.model or DEFAULT_MODEL
    if not model.startswith("flux-"):
        raise invalid_option("stt", options, "model", model, "the others are of the provider deepgram")
    if extra.language_hints is not None and model != MULTILINGUAL_MODEL:
        cure = f"{model} takes none; use {MULTILINGUAL_MODEL}"
        raise invalid_option("stt", options, "language_hints", extra.language_hints, cure)
    return extra


def build_stt(options: ProviderOptions, extra: FluxOptions) -> deepgram.STTv2:
    """Build the streaming STT. `base_url` is the whole address, with its path."""
    from livekit.plugins import deepgram  # noqa: PLC0415

    return deepgram.STTv2(
        model=options.model or DEFAULT_MODEL,
        api_key=required_key("stt", options),
        base_url=options.base_url or BASE_URL,
        # Deepgram recommends chunks of this length for Flux.
        audio_chunk_duration_ms=80,
        keyterm=or_not_given(extra.keyterms),
        eot_threshold=or_not_given(extra.eot_threshold),
        eager_eot_threshold=or_not_given(extra.eager_eot_threshold),
        eot_timeout_ms=or_not_given(extra.eot_timeout_ms),
        language_hint=or_not_given(extra.language_hints),
        numerals=extra.numerals,
        profanity_filter=extra.profanity_filter,
        redact=or_not_given(extra.redact),
        mip_opt_out=extra.mip_opt_out,
    )
