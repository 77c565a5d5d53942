"""Groq: language models, over OpenAI's protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import OwnOptions, key_of, own_options
from pipeline.providers.not_given import given
from pipeline.providers.openai import without_environment

if TYPE_CHECKING:
    from livekit.plugins import groq

DEFAULT_MODEL = "llama-3.3-70b-versatile"
BASE_URL = "https://api.groq.com/openai/v1"


class GroqOptions(OwnOptions):
    """As in Groq's documentation."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_completion_tokens: int | None = Field(default=None, gt=0)
    reasoning_effort: Literal["none", "low", "medium", "high"] | None = None
    service_tier: str | None = None


def check_llm(options: ProviderOptions) -> GroqOptions:
    """Its own options. Raises InvalidProviderOption."""
    return own_options("llm", options, GroqOptions)


def build_llm(options: ProviderOptions, own: GroqOptions) -> groq.LLM:
    """Streaming chat completions."""
    from livekit.plugins import groq  # noqa: PLC0415

    return without_environment(
        groq.LLM(
            model=options.model or DEFAULT_MODEL,
            temperature=given(own.temperature),
            top_p=given(own.top_p),
            max_completion_tokens=given(own.max_completion_tokens),
            reasoning_effort=given(own.reasoning_effort),
            service_tier=given(own.service_tier),
            api_key=key_of("llm", options),
            base_url=options.base_url or BASE_URL,
        )
    )
