"""Every provider there is: one entry each, and the way from a tenant's options to livekit-agents' objects.

A new provider is an entry here and a module with `build_stt`, `build_llm` or `build_tts` in it, which takes
`ProviderOptions`. What is common to all is checked here: the name, the key, and which options the provider takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.errors import InvalidProviderOption, MissingKey, UnknownProvider
from pipeline.options import ProviderOptions
from pipeline.providers.own_options import Kind

if TYPE_CHECKING:
    # Seconds at run time, which who only wants `local.espeak` or `local.sphinx` should not spend.
    from livekit.agents import llm, stt, tts


class Key(StrEnum):
    """Whether a provider needs a key."""

    NEVER = "never"
    ALWAYS = "always"
    UNLESS_BASE_URL = "unless base_url"
    """For protocols that people host themselves, often without keys."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One entry. `module` imports the plugin and builds from it; `takes` are the common options that it can use."""

    kind: Kind
    name: str
    module: str
    key: Key
    takes: frozenset[str]


def _provider(kind: Kind, name: str, module: str, key: Key, *takes: str) -> Provider:
    return Provider(kind, name, f"pipeline.providers.{module}", key, frozenset(takes))


PROVIDERS = (
    _provider("stt", "deepgram", "deepgram", Key.ALWAYS, "model", "language", "base_url"),
    _provider("stt", "openai", "openai", Key.UNLESS_BASE_URL, "model", "language", "base_url"),
    _provider("stt", "local", "local.provider", Key.NEVER, "language"),
    _provider("llm", "openai", "openai", Key.UNLESS_BASE_URL, "model", "base_url"),
    _provider("llm", "local", "local.provider", Key.NEVER),
    _provider("tts", "elevenlabs", "elevenlabs", Key.ALWAYS, "model", "voice", "language", "base_url"),
    _provider("tts", "openai", "openai", Key.UNLESS_BASE_URL, "model", "voice", "base_url"),
    _provider("tts", "local", "local.provider", Key.NEVER, "voice", "language"),
)

_BY_NAME = {(provider.kind, provider.name): provider for provider in PROVIDERS}


def build_stt(options: ProviderOptions) -> stt.STT[None]:
    """What hears. Raises UnknownProvider, MissingKey or InvalidProviderOption."""
    built: stt.STT[None] = _build("stt", options)
    return built


def build_llm(options: ProviderOptions) -> llm.LLM[None]:
    """What thinks. Raises UnknownProvider, MissingKey or InvalidProviderOption."""
    built: llm.LLM[None] = _build("llm", options)
    return built


def build_tts(options: ProviderOptions) -> tts.TTS[None]:
    """What speaks. Raises UnknownProvider, MissingKey or InvalidProviderOption."""
    built: tts.TTS[None] = _build("tts", options)
    return built


def check(kind: Kind, options: ProviderOptions) -> None:
    """Whether these options can be used, without building anything. What the key is does not matter, only whether.

    Raises UnknownProvider, MissingKey or InvalidProviderOption.
    """
    _checked(kind, options)


def _build(kind: Kind, options: ProviderOptions) -> Any:
    return getattr(import_module(_checked(kind, options).module), f"build_{kind}")(options)


def _checked(kind: Kind, options: ProviderOptions) -> Provider:
    provider = _BY_NAME.get((kind, options.name))
    if provider is None:
        known = ", ".join(sorted(name for of, name in _BY_NAME if of == kind))
        raise UnknownProvider(kind=kind, name=options.name, known=known)
    _check_key(provider, options)
    for field in ("model", "voice", "language", "base_url"):
        value = getattr(options, field)
        if value is not None and field not in provider.takes:
            takes = ", ".join(sorted(provider.takes)) or "none"
            cure = f"leave it out; of the common options it takes {takes}"
            raise InvalidProviderOption(kind=kind, name=options.name, field=field, value=value, cure=cure)
    return provider


def _check_key(provider: Provider, options: ProviderOptions) -> None:
    if options.api_key is not None:
        if provider.key is Key.NEVER:
            raise InvalidProviderOption(
                kind=provider.kind,
                name=provider.name,
                field="key",
                value=options.api_key,
                cure="leave it out; this provider works without one",
            )
    elif provider.key is Key.ALWAYS or (provider.key is Key.UNLESS_BASE_URL and options.base_url is None):
        raise MissingKey(kind=provider.kind, name=provider.name)


def preload() -> None:
    """Import every provider's plugin and load the local models, in the process that the calls are forked from.

    Starts no thread and no event loop, and touches no FFI client: a child would not survive them.
    """
    for provider in PROVIDERS:
        import_module(provider.module)
    from pipeline.providers.local import provider as local  # noqa: PLC0415

    local.preload()
