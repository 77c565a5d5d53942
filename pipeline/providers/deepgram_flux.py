"""Deepgram Flux: streaming STT, by turns, over the second version of Deepgram's protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from pipeline.errors import InvalidProviderOption
from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import OwnOptions, key_of, own_options
from pipeline.providers.not_given import given

if TYPE_CHECKING:
    from livekit.plugins import deepgram

DEFAULT_MODEL = "flux-general-en"
MANY_LANGUAGES = "flux-general-multi"
BASE_URL = "wss://api.deepgram.com/v2/listen"
DEFAULT_EOT_THRESHOLD = 0.7


class FluxOptions(OwnOptions):
    """As in Deepgram's documentation. `language_hints`: of the many-language model.

    `eager_eot_threshold`: from which probability of the turn's end on an answer is begun; none if not given.
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
    def _eager_comes_first(self) -> FluxOptions:
        if (self.eager_eot_threshold or 0) > (self.eot_threshold or DEFAULT_EOT_THRESHOLD):
            msg = "eager_eot_threshold must not be greater than eot_threshold"
            raise ValueError(msg)
        return self


def check_stt(options: ProviderOptions) -> FluxOptions:
    """Its own options. Raises InvalidProviderOption."""
    own = own_options("stt", options, FluxOptions)
    model = options.model or DEFAULT_MODEL
    if not model.startswith("flux-"):
        raise InvalidProviderOption(
            kind="stt", name=options.name, field="model", value=model, cure="the others are of the provider deepgram"
        )
    if own.language_hints is not None and model != MANY_LANGUAGES:
        raise InvalidProviderOption(
            kind="stt",
            name=options.name,
            field="language_hints",
            value=own.language_hints,
            cure=f"{model} takes none; use {MANY_LANGUAGES}",
        )
    return own


def build_stt(options: ProviderOptions, own: FluxOptions) -> deepgram.STTv2:
    """Streaming recognition. `base_url` is the whole address, with its path."""
    from livekit.plugins import deepgram  # noqa: PLC0415

    return deepgram.STTv2(
        model=options.model or DEFAULT_MODEL,
        api_key=key_of("stt", options),
        base_url=options.base_url or BASE_URL,
        # As Deepgram recommends for it.
        audio_chunk_duration_ms=80,
        keyterm=given(own.keyterms),
        eot_threshold=given(own.eot_threshold),
        eager_eot_threshold=given(own.eager_eot_threshold),
        eot_timeout_ms=given(own.eot_timeout_ms),
        language_hint=given(own.language_hints),
        numerals=own.numerals,
        profanity_filter=own.profanity_filter,
        redact=given(own.redact),
        mip_opt_out=own.mip_opt_out,
    )
