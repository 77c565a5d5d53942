"""Google: Gemini over HTTPS, and Cloud Speech-to-Text over gRPC. Each has a key of its own kind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import REDACTED, ExtraOptions, invalid_option, parse_extra, required_key
from pipeline.providers.not_given import or_not_given

if TYPE_CHECKING:
    from livekit.plugins import google

DEFAULT_LLM_MODEL = "gemini-3.8-flash"
DEFAULT_STT_MODEL = "latest_long"
DEFAULT_LANGUAGE = "en-US"
THINKING_BUDGET_MODELS = "gemini-2"
# On Google's scale of 0 to 20: enough to prefer these words, not so much that they are recognised in everything.
KEYTERM_BOOST = 10.0
BASE_URL = "https://generativelanguage.googleapis.com/"


class GeminiOptions(ExtraOptions):
    """Extra options of Gemini, as in its documentation.

    `thinking_level`: from Gemini 3 on. `thinking_budget`: for earlier models, in tokens.
    """

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_output_tokens: int | None = Field(default=None, gt=0)
    thinking_budget: int | None = Field(default=None, ge=0)
    thinking_level: Literal["minimal", "low", "medium", "high"] | None = None


class SpeechOptions(ExtraOptions):
    """Extra options of Cloud Speech-to-Text, as in its documentation. `location`: region, such as `europe-west4`."""

    location: str = "global"
    punctuate: bool = True
    profanity_filter: bool = False
    keyterms: list[str] | None = Field(default=None, min_length=1)


def validate_llm(options: ProviderOptions) -> GeminiOptions:
    """Return the extra options, validated. Raises InvalidProviderOption."""
    extra = parse_extra("llm", options, GeminiOptions)
    model = options.model or DEFAULT_LLM_MODEL
    wrong, right = "thinking_budget", "thinking_level"
    if THINKING_BUDGET_MODELS in model:
        wrong, right = right, wrong
    if getattr(extra, wrong) is not None:
        raise invalid_option("llm", options, wrong, getattr(extra, wrong), f"{model} takes {right}")
    return extra


def validate_stt(options: ProviderOptions) -> SpeechOptions:
    """Return the extra options, validated. Raises InvalidProviderOption."""
    return parse_extra("stt", options, SpeechOptions)


def build_llm(options: ProviderOptions, extra: GeminiOptions) -> google.LLM:
    """Build the streaming LLM. The key is one of the Gemini API."""
    from google.genai import types  # noqa: PLC0415
    from livekit.plugins import google  # noqa: PLC0415

    thinking = extra.model_dump(include={"thinking_budget", "thinking_level"}, exclude_none=True)
    return google.LLM(
        model=options.model or DEFAULT_LLM_MODEL,
        api_key=required_key("llm", options),
        # The SDK would take these two from the environment of the process.
        vertexai=False,
        http_options=types.HttpOptions(base_url=options.base_url or BASE_URL, api_version="v1beta"),
        temperature=or_not_given(extra.temperature),
        top_p=or_not_given(extra.top_p),
        max_output_tokens=or_not_given(extra.max_output_tokens),
        thinking_config=or_not_given(types.ThinkingConfig(**thinking) if thinking else None),
    )


def build_stt(options: ProviderOptions, extra: SpeechOptions) -> google.STT:
    """Build the streaming STT. The key is a service account's, as JSON. Raises InvalidProviderOption."""
    from livekit.plugins import google  # noqa: PLC0415

    try:
        account = json.loads(required_key("stt", options))
    except ValueError:
        raise invalid_option("stt", options, "key", REDACTED, "give the JSON key of a service account") from None
    keywords = None if extra.keyterms is None else [(term, KEYTERM_BOOST) for term in extra.keyterms]
    return google.STT(
        model=options.model or DEFAULT_STT_MODEL,
        languages=options.language or DEFAULT_LANGUAGE,
        detect_language=False,
        credentials_info=account,
        location=extra.location,
        punctuate=extra.punctuate,
        profanity_filter=extra.profanity_filter,
        keywords=or_not_given(keywords),
    )
