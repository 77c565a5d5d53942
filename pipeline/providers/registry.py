"""The registry of providers: one entry for each kind and name.

To add a provider, add an entry here and a module. For each kind that it offers, the module has two functions:

- `validate_<kind>(options)` returns the options that only this provider has, validated. It imports nothing heavy.
- `build_<kind>(options, extra)` imports the plugin and returns livekit-agents' object.

`validation` does what is the same for every provider: whether there is a key, and which common options it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import UnknownProvider
from pipeline.options import Kind


class KeyRequirement(StrEnum):
    """When a provider needs a key."""

    NEVER = "never"
    ALWAYS = "always"
    UNLESS_BASE_URL = "unless base_url"
    """For protocols of servers that people run themselves, often without keys."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An entry of the registry.

    `module`: validates and builds. `takes`: the common options that it can use. `plugin`: the package that has to be
    installed; None if it needs none. `extra`: the extra that installs the plugin; None if it is always installed.
    """

    kind: Kind
    name: str
    module: str
    key: KeyRequirement
    takes: frozenset[str]
    plugin: str | None
    extra: str | None


def _entry(
    kind: Kind,
    name: str,
    key: KeyRequirement,
    *takes: str,
    module: str = "",
    plugin: str = "",
    extra: str | None = None,
) -> Provider:
    needs = None if name == "local" else f"livekit.plugins.{plugin or name}"
    return Provider(kind, name, f"pipeline.providers.{module or name}", key, frozenset(takes), needs, extra)


ALWAYS, NEVER, UNLESS_BASE_URL = KeyRequirement.ALWAYS, KeyRequirement.NEVER, KeyRequirement.UNLESS_BASE_URL

PROVIDERS = (
    _entry("stt", "deepgram", ALWAYS, "model", "language", "base_url"),
    _entry("stt", "deepgram-flux", ALWAYS, "model", "base_url", module="deepgram_flux", plugin="deepgram"),
    _entry("stt", "google", ALWAYS, "model", "language", extra="google"),
    _entry("stt", "openai", UNLESS_BASE_URL, "model", "language", "base_url"),
    _entry("stt", "local", NEVER, "language", module="local.provider"),
    _entry("llm", "anthropic", ALWAYS, "model", "base_url", extra="anthropic"),
    _entry("llm", "google", ALWAYS, "model", "base_url", extra="google"),
    _entry("llm", "groq", ALWAYS, "model", "base_url", extra="groq"),
    _entry("llm", "langgraph", NEVER, plugin="langchain", extra="langchain"),
    _entry("llm", "openai", UNLESS_BASE_URL, "model", "base_url"),
    _entry("llm", "local", NEVER, module="local.provider"),
    _entry("tts", "cartesia", ALWAYS, "model", "voice", "language", "base_url", extra="cartesia"),
    _entry("tts", "elevenlabs", ALWAYS, "model", "voice", "language", "base_url"),
    _entry("tts", "openai", UNLESS_BASE_URL, "model", "voice", "base_url"),
    _entry("tts", "local", NEVER, "voice", "language", module="local.provider"),
)

ALL_EXTRAS = "all"
"""Every extra, wherever extras are named."""
NO_PROVIDERS = "no-providers"
"""No provider at all, wherever extras are named: not those either that need no extra."""

_BY_NAME = {(provider.kind, provider.name): provider for provider in PROVIDERS}


def find_provider(kind: Kind, name: str) -> Provider:
    """Return the entry. Raises UnknownProvider, whose message lists the known ones."""
    provider = _BY_NAME.get((kind, name))
    if provider is None:
        known = ", ".join(sorted(name for of, name in _BY_NAME if of == kind))
        raise UnknownProvider(kind=kind, name=name, known=known)
    return provider
