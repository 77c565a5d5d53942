"""From a tenant's options to livekit-agents' objects."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import Kind
from pipeline.providers.registry import ALL_EXTRAS, PROVIDERS
from pipeline.providers.validation import checked, is_installed

if TYPE_CHECKING:
    # Seconds at run time, which who only checks options should not spend.
    from livekit.agents import llm, stt, tts


def build_stt(options: ProviderOptions) -> stt.STT[None]:
    """What hears, without its fallbacks. Raises what `check` raises."""
    built: stt.STT[None] = _build("stt", options)
    return built


def build_llm(options: ProviderOptions) -> llm.LLM[None]:
    """What thinks, without its fallbacks. Raises what `check` raises."""
    built: llm.LLM[None] = _build("llm", options)
    return built


def build_tts(options: ProviderOptions) -> tts.TTS[None]:
    """What speaks, without its fallbacks. Raises what `check` raises."""
    built: tts.TTS[None] = _build("tts", options)
    return built


def _build(kind: Kind, options: ProviderOptions) -> Any:
    provider, own = checked(kind, options)
    return getattr(import_module(provider.module), f"build_{kind}")(options, own)


def preload(extras: Iterable[str] = (ALL_EXTRAS,)) -> None:
    """Import the plugins and load the local models, in the process that the calls are forked from.

    Of the plugins that an extra installs, those of `extras` that are installed. What is missing a call imports by
    itself, and its caller waits for that. Starts no thread and no event loop, and touches no FFI client: a child would
    not survive them.
    """
    wanted = set(extras)
    for provider in PROVIDERS:
        import_module(provider.module)
        needed = provider.extra is None or wanted & {provider.extra, ALL_EXTRAS}
        if needed and provider.plugin is not None and is_installed(provider):
            import_module(provider.plugin)
    from pipeline.providers.local import provider as local  # noqa: PLC0415

    local.preload()
