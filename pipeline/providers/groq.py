"""Groq: language models over OpenAI's protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import ExtraOptions, parse_extra, required_key
from pipeline.providers.not_given import or_not_given
from pipeline.runtime.plugin_clients import ignore_environment

if TYPE_CHECKING:
    from livekit.plugins import groq

DEFAULT_MODEL = "llama-3.3-70b-versatile"
BASE_URL = "https://api.groq.com/openai/v1"


class GroqOptions(ExtraOptions):
    """Extra options, as in Groq's documentation."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_completion_tokens: int | None = Field(default=None, gt=0)
    reasoning_effort: Literal["none", "low", "medium", "high"] | None = None
    service_tier: str | None = None


def validate_llm(options: ProviderOptions) -> GroqOptions:
    """Return the extra options, validated. Raises InvalidProviderOption."""
    return parse_extra("llm", options, GroqOptions)


def build_llm(options: ProviderOptions, extra: GroqOptions) -> groq.LLM:
    """Build the LLM, by streaming chat completions."""
    from livekit.plugins import groq  # noqa: PLC0415

    return ignore_environment(
        groq.LLM(
            model=options.model or DEFAULT_MODEL,
            temperature=or_not_given(extra.temperature),
            top_p=or_not_given(extra.top_p),
            max_completion_tokens=or_not_given(extra.max_completion_tokens),
            reasoning_effort=or_not_given(extra.reasoning_effort),
            service_tier=or_not_given(extra.service_tier),
            api_key=required_key("llm", options),
            base_url=options.base_url or BASE_URL,
        )
    )
