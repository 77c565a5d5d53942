"""Builders of livekit-agents' objects from a tenant's options."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.options import Kind, ProviderOptions
from pipeline.providers.registry import ALL_EXTRAS, NO_PROVIDERS, PROVIDERS
from pipeline.providers.validation import is_installed, validated

if TYPE_CHECKING:
    # Importing livekit-agents takes seconds, which validation alone must not cost.
    from livekit.agents import llm, stt, tts


def build_stt(options: ProviderOptions) -> stt.STT[None]:
    """Build the STT, without its fallbacks. Raises what `validate` raises."""
    built: stt.STT[None] = _build("stt", options)
    return built


def build_llm(options: ProviderOptions) -> llm.LLM[None]:
    """Build the LLM, without its fallbacks. Raises what `validate` raises."""
    built: llm.LLM[None] = _build("llm", options)
    return built


def build_tts(options: ProviderOptions) -> tts.TTS[None]:
    """Build the TTS, without its fallbacks. Raises what `validate` raises."""
    built: tts.TTS[None] = _build("tts", options)
    return built


def _build(kind: Kind, options: ProviderOptions) -> Any:
    provider, extra = validated(kind, options)
    return getattr(import_module(provider.module), f"build_{kind}")(options, extra)


def preload(extras: Iterable[str] = (ALL_EXTRAS,)) -> None:
    """Import the plugins and load the local models, in the process that the children are forked from.

    `extras`: import the installed plugins of these extras only. A call imports what is missing by itself, and its
    caller waits for that. With NO_PROVIDERS among them nothing is imported, for workers whose agents use no provider of
    ours. Starts no thread and no event loop, and touches no FFI client: none of them survives a fork. A provider's
    module may have a `preload` of its own.
    """
    wanted = set(extras)
    if NO_PROVIDERS in wanted:
        return
    preloads: dict[str, Callable[[], None]] = {}
    for provider in PROVIDERS:
        module = import_module(provider.module)
        needed = provider.extra is None or wanted & {provider.extra, ALL_EXTRAS}
        if needed and is_installed(provider):
            if provider.plugin is not None:
                import_module(provider.plugin)
            if hasattr(module, "preload"):
                preloads[provider.module] = module.preload
    for preload_provider in preloads.values():
        preload_provider()
