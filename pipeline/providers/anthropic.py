"""Anthropic: language models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import ExtraOptions, parse_extra, required_key
from pipeline.providers.not_given import or_not_given
from pipeline.runtime.plugin_clients import ignore_environment

if TYPE_CHECKING:
    from livekit.plugins import anthropic

DEFAULT_MODEL = "claude-sonnet-4-6"
BASE_URL = "https://api.anthropic.com"


class AnthropicOptions(ExtraOptions):
    """Extra options, as in Anthropic's documentation. `caching`: cache the instructions and the conversation there."""

    temperature: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, gt=0)
    max_tokens: int = Field(default=1024, gt=0)
    caching: bool = False


def validate_llm(options: ProviderOptions) -> AnthropicOptions:
    """Return the extra options, validated. Raises InvalidProviderOption."""
    return parse_extra("llm", options, AnthropicOptions)


def build_llm(options: ProviderOptions, extra: AnthropicOptions) -> anthropic.LLM:
    """Build the LLM, by streaming messages."""
    from livekit.plugins import anthropic  # noqa: PLC0415

    return ignore_environment(
        anthropic.LLM(
            model=options.model or DEFAULT_MODEL,
            temperature=or_not_given(extra.temperature),
            top_k=or_not_given(extra.top_k),
            max_tokens=extra.max_tokens,
            caching=or_not_given("ephemeral" if extra.caching else None),
            api_key=required_key("llm", options),
            base_url=options.base_url or BASE_URL,
        )
    )
