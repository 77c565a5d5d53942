"""Anthropic: language models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import OwnOptions, key_of, own_options
from pipeline.providers.not_given import given

if TYPE_CHECKING:
    from livekit.plugins import anthropic

DEFAULT_MODEL = "claude-sonnet-4-6"
BASE_URL = "https://api.anthropic.com"


class AnthropicOptions(OwnOptions):
    """As in Anthropic's documentation. `caching`: keep the instructions and the conversation so far in its cache."""

    temperature: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, gt=0)
    max_tokens: int = Field(default=1024, gt=0)
    caching: bool = False


def check_llm(options: ProviderOptions) -> AnthropicOptions:
    """Its own options. Raises InvalidProviderOption."""
    return own_options("llm", options, AnthropicOptions)


def build_llm(options: ProviderOptions, own: AnthropicOptions) -> anthropic.LLM:
    """Streaming messages."""
    from livekit.plugins import anthropic  # noqa: PLC0415

    built = anthropic.LLM(
        model=options.model or DEFAULT_MODEL,
        temperature=given(own.temperature),
        top_k=given(own.top_k),
        max_tokens=own.max_tokens,
        caching=given("ephemeral" if own.caching else None),
        api_key=key_of("llm", options),
        base_url=options.base_url or BASE_URL,
    )
    # The client adds headers that it finds in the environment, and the plugin leaves no way to say that there are none.
    vars(built)["_client"]._custom_headers = {}  # noqa: SLF001 - see above
    return built
