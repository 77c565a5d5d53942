"""Google: Gemini over HTTPS, and Cloud Speech-to-Text over gRPC. They have different keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.errors import InvalidProviderOption
from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import WITHHELD, OwnOptions, key_of, own_options
from pipeline.providers.not_given import given

if TYPE_CHECKING:
    from livekit.plugins import google

DEFAULT_LLM_MODEL = "gemini-3.8-flash"
DEFAULT_STT_MODEL = "latest_long"
DEFAULT_LANGUAGE = "en-US"
OLDER = "gemini-2"
# Of Google's 0 to 20: prefer these words, and do not hear them everywhere.
KEYTERM_BOOST = 10.0
BASE_URL = "https://generativelanguage.googleapis.com/"


class GeminiOptions(OwnOptions):
    """As in Gemini's documentation. `thinking_level`: from Gemini 3 on; `thinking_budget`, in tokens: before."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_output_tokens: int | None = Field(default=None, gt=0)
    thinking_budget: int | None = Field(default=None, ge=0)
    thinking_level: Literal["minimal", "low", "medium", "high"] | None = None


class SpeechOptions(OwnOptions):
    """As in Cloud Speech-to-Text's documentation. `location`: of the recogniser, such as `europe-west4`."""

    location: str = "global"
    punctuate: bool = True
    profanity_filter: bool = False
    keyterms: list[str] | None = Field(default=None, min_length=1)


def check_llm(options: ProviderOptions) -> GeminiOptions:
    """Its own options. Raises InvalidProviderOption."""
    own = own_options("llm", options, GeminiOptions)
    model = options.model or DEFAULT_LLM_MODEL
    wrong, right = ("thinking_level", "thinking_budget") if OLDER in model else ("thinking_budget", "thinking_level")
    if getattr(own, wrong) is not None:
        raise InvalidProviderOption(
            kind="llm", name=options.name, field=wrong, value=getattr(own, wrong), cure=f"{model} takes {right}"
        )
    return own


def check_stt(options: ProviderOptions) -> SpeechOptions:
    """Its own options. Raises InvalidProviderOption."""
    return own_options("stt", options, SpeechOptions)


def build_llm(options: ProviderOptions, own: GeminiOptions) -> google.LLM:
    """Streaming answers of Gemini, with a key of its API."""
    from google.genai import types  # noqa: PLC0415
    from livekit.plugins import google  # noqa: PLC0415

    thinking = own.model_dump(include={"thinking_budget", "thinking_level"}, exclude_none=True)
    return google.LLM(
        model=options.model or DEFAULT_LLM_MODEL,
        api_key=key_of("llm", options),
        # These would otherwise come from the process's environment.
        vertexai=False,
        http_options=types.HttpOptions(base_url=options.base_url or BASE_URL, api_version="v1beta"),
        temperature=given(own.temperature),
        top_p=given(own.top_p),
        max_output_tokens=given(own.max_output_tokens),
        thinking_config=given(types.ThinkingConfig(**thinking) if thinking else None),
    )


def build_stt(options: ProviderOptions, own: SpeechOptions) -> google.STT:
    """Streaming recognition. The key is a service account's, as JSON. Raises InvalidProviderOption."""
    from livekit.plugins import google  # noqa: PLC0415

    try:
        account = json.loads(key_of("stt", options))
    except ValueError:
        raise InvalidProviderOption(
            kind="stt", name=options.name, field="key", value=WITHHELD, cure="give the JSON key of a service account"
        ) from None
    terms = None if own.keyterms is None else [(term, KEYTERM_BOOST) for term in own.keyterms]
    return google.STT(
        model=options.model or DEFAULT_STT_MODEL,
        languages=options.language or DEFAULT_LANGUAGE,
        detect_language=False,
        credentials_info=account,
        location=own.location,
        punctuate=own.punctuate,
        profanity_filter=own.profanity_filter,
        keywords=given(terms),
    )
