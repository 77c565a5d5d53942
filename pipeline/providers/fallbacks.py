"""A provider and its fallbacks as one object for the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from livekit.agents import APIConnectOptions, llm, stt, tts, vad

from pipeline.failure_log import FailureLog
from pipeline.options import Kind, ProviderOptions
from pipeline.providers.build import build_llm, build_stt, build_tts
from pipeline.providers.stt_fallback import FallbackSTT

T = TypeVar("T")

TIMEOUT_WITH_FALLBACK_SECONDS = 2.0
"""Timeout of a provider that has a fallback."""
TIMEOUT_WITHOUT_FALLBACK_SECONDS = 3.0
"""Timeout of one without."""

RETRY_ONCE = APIConnectOptions(max_retry=1, retry_interval=0.5, timeout=TIMEOUT_WITHOUT_FALLBACK_SECONDS)
"""For a provider without a fallback. More retries would take longer than a caller stays."""
NO_RETRY = APIConnectOptions(max_retry=0, retry_interval=0.0, timeout=TIMEOUT_WITH_FALLBACK_SECONDS)
"""For a provider with fallbacks: the fallback is the second try."""
STT_RETRIES = APIConnectOptions(max_retry=5, retry_interval=1.5, timeout=TIMEOUT_WITH_FALLBACK_SECONDS)
"""For FallbackSTT: it retries all its providers for about 6 s before the session gets an error. No speech is lost."""


def stt_with_fallbacks(options: ProviderOptions, failures: FailureLog, detector: vad.VAD) -> stt.STT[None]:
    """Build the STT. `detector` cuts the audio into utterances for providers that do not stream."""
    if options.name == "local" and not options.fallbacks:
        return build_stt(options)
    providers = _build_all("stt", build_stt, options, failures)
    if not options.fallbacks and not providers[0].capabilities.streaming:
        # The session cuts the audio into utterances itself, and retries each one that fails.
        return providers[0]
    combined = FallbackSTT(
        [each if each.capabilities.streaming else stt.StreamAdapter(stt=each, vad=detector) for each in providers]
    )
    names = _names(options)
    if options.fallbacks:
        combined.on_left = lambda index: failures.leave("stt", names[index])
    return combined


def llm_with_fallbacks(options: ProviderOptions, failures: FailureLog) -> llm.LLM[Any]:
    """Build the LLM."""
    providers = _build_all("llm", build_llm, options, failures)
    if not options.fallbacks:
        return providers[0]
    adapter = llm.FallbackAdapter(providers, attempt_timeout=TIMEOUT_WITH_FALLBACK_SECONDS)
    _watch_left("llm", adapter, providers, options, failures)
    return adapter


def tts_with_fallbacks(options: ProviderOptions, failures: FailureLog) -> tts.TTS[Any]:
    """Build the TTS. Its sample rate is the highest of its providers'."""
    providers = _build_all("tts", build_tts, options, failures)
    if not options.fallbacks:
        return providers[0]
    adapter = tts.FallbackAdapter(providers, max_retry_per_tts=0)
    _watch_left("tts", adapter, providers, options, failures)
    return adapter


def _build_all(
    kind: Kind, build: Callable[[ProviderOptions], T], options: ProviderOptions, failures: FailureLog
) -> list[T]:
    providers = []
    for index, each in enumerate((options, *options.fallbacks)):
        provider = build(each)
        failures.watch(kind, index, each.name, provider)
        providers.append(provider)
    return providers


def _names(options: ProviderOptions) -> list[str]:
    return [each.name for each in (options, *options.fallbacks)]


def _watch_left(
    kind: Literal["llm", "tts"], adapter: Any, providers: Sequence[Any], options: ProviderOptions, failures: FailureLog
) -> None:
    """Note each time that livekit-agents' adapter takes a provider out of use. It asks the next one then."""
    names = {id(provider): name for provider, name in zip(providers, _names(options), strict=True)}

    def on_changed(event: Any) -> None:
        if not event.available:
            failures.leave(kind, names[id(getattr(event, kind))])

    adapter.on(f"{kind}_availability_changed", on_changed)
