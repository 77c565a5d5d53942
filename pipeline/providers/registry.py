"""Every provider there is: one entry each.

A new provider is an entry here and a module. For each kind that it offers, the module has `check_<kind>(options)`,
which returns its own options, checked, and imports nothing heavy; and `build_<kind>(options, own)`, which imports the
plugin and makes livekit-agents' object. What is common to all stands in `checks`: the key, and which options it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import UnknownProvider
from pipeline.providers.extra_options import Kind


class Key(StrEnum):
    """Whether a provider needs a key."""

    NEVER = "never"
    ALWAYS = "always"
    UNLESS_BASE_URL = "unless base_url"
    """For protocols that people host themselves, often without keys."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One entry. `module` checks and builds; `takes` are the common options that it can use.

    `plugin` is what has to be installed, and `extra` what installs it; without `extra` it always is.
    """

    kind: Kind
    name: str
    module: str
    key: Key
    takes: frozenset[str]
    plugin: str | None
    extra: str | None


def _provider(
    kind: Kind, name: str, key: Key, *takes: str, module: str = "", plugin: str = "", extra: str | None = None
) -> Provider:
    needs = None if name == "local" else f"livekit.plugins.{plugin or name}"
    return Provider(kind, name, f"pipeline.providers.{module or name}", key, frozenset(takes), needs, extra)


PROVIDERS = (
    _provider("stt", "deepgram", Key.ALWAYS, "model", "language", "base_url"),
    _provider("stt", "deepgram-flux", Key.ALWAYS, "model", "base_url", module="deepgram_flux", plugin="deepgram"),
    _provider("stt", "google", Key.ALWAYS, "model", "language", extra="google"),
    _provider("stt", "openai", Key.UNLESS_BASE_URL, "model", "language", "base_url"),
    _provider("stt", "local", Key.NEVER, "language", module="local.provider"),
    _provider("llm", "anthropic", Key.ALWAYS, "model", "base_url", extra="anthropic"),
    _provider("llm", "google", Key.ALWAYS, "model", "base_url", extra="google"),
    _provider("llm", "groq", Key.ALWAYS, "model", "base_url", extra="groq"),
    _provider("llm", "langgraph", Key.NEVER, plugin="langchain", extra="langchain"),
    _provider("llm", "openai", Key.UNLESS_BASE_URL, "model", "base_url"),
    _provider("llm", "local", Key.NEVER, module="local.provider"),
    _provider("tts", "cartesia", Key.ALWAYS, "model", "voice", "language", "base_url", extra="cartesia"),
    _provider("tts", "elevenlabs", Key.ALWAYS, "model", "voice", "language", "base_url"),
    _provider("tts", "openai", Key.UNLESS_BASE_URL, "model", "voice", "base_url"),
    _provider("tts", "local", Key.NEVER, "voice", "language", module="local.provider"),
)

ALL_EXTRAS = "all"
"""As an extra, and where extras are named: each of them."""

_BY_NAME = {(provider.kind, provider.name): provider for provider in PROVIDERS}


def find(kind: Kind, name: str) -> Provider:
    """The entry. Raises UnknownProvider, which lists those that there are."""
    provider = _BY_NAME.get((kind, name))
    if provider is None:
        known = ", ".join(sorted(name for of, name in _BY_NAME if of == kind))
        raise UnknownProvider(kind=kind, name=name, known=known)
    return provider
