"""A provider and the ones that take its place, as one object for the session; and what is known of their failures."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from livekit.agents import APIConnectOptions, llm, stt, tts, vad

from pipeline.options import ProviderOptions
from pipeline.providers.build import build_llm, build_stt, build_tts
from pipeline.providers.extra_options import Kind
from pipeline.providers.stt_fallback import Hearing

logger = logging.getLogger("switchboard.pipeline.providers")

T = TypeVar("T")

REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN})

WEBSOCKET_CODES = 1000

FALLBACK_SECONDS = 2.0
"""How long a provider may be silent when there is another one to ask."""
ALONE_SECONDS = 3.0
"""How long it may when there is none."""

ALONE = APIConnectOptions(max_retry=1, retry_interval=0.5, timeout=ALONE_SECONDS)
"""One that fails is asked once more. More tries would be longer than a caller stays on the line."""
WITH_FALLBACKS = APIConnectOptions(max_retry=0, retry_interval=0.0, timeout=FALLBACK_SECONDS)
"""The next one is the second try."""
HEARING = APIConnectOptions(max_retry=5, retry_interval=1.5, timeout=FALLBACK_SECONDS)
"""For about 6 s all of a chain are asked again and again, and then the session is told. What was said is kept."""


@dataclass(slots=True)
class Failures:
    """What has failed in this call, and how often: `(kind, place in its chain, provider, what)`.

    `what` is the HTTP status, or the name of the error where there is none. `sid`: the room's, for the log.
    """

    sid: str = ""
    counted: Counter[tuple[Kind, int, str, str]] = field(default_factory=Counter)
    _last: dict[tuple[Kind, int], int | None] = field(default_factory=dict)

    def watch(self, kind: Kind, place: int, name: str, provider: Any) -> None:
        """Note and log each failure of a provider."""
        provider.on("error", partial(self._note, kind, place, name))

    def all_refused(self, kind: Kind, providers: int) -> bool:
        """Whether each of so many has refused its key or account when it was last asked."""
        return all(self._last.get((kind, place)) in REFUSED for place in range(providers))

    def records(self) -> list[dict[str, Any]]:
        """For the call's record, beside what its models were used for."""
        return [
            {"type": "provider_failure", "kind": kind, "place": place, "provider": name, "error": what, "count": count}
            for (kind, place, name, what), count in self.counted.items()
        ]

    def _note(self, kind: Kind, place: int, name: str, error: Any) -> None:
        cause = getattr(error, "error", error)
        status = status_of(cause)
        self._last[kind, place] = status
        what = str(status) if status else type(cause).__name__
        self.counted[kind, place, name, what] += 1
        refused = status in REFUSED
        logger.log(
            logging.ERROR if refused else logging.WARNING,
            "a provider refused its key" if refused else "a provider failed",
            extra={"sid": self.sid, "kind": kind, "place": place, "provider": name, "error": what},
        )


def status_of(error: BaseException | None) -> int | None:
    """The HTTP status that an error is about, if it is about one."""
    while error is not None:
        status = getattr(error, "status_code", None)
        # Some plugins put a websocket's close code there, or -1.
        if isinstance(status, int) and HTTPStatus.CONTINUE <= status < WEBSOCKET_CODES:
            return status
        error = error.__cause__
    return None


def stt_chain(options: ProviderOptions, failures: Failures, detector: vad.VAD) -> stt.STT[None]:
    """What hears. `detector` finds the utterances for the ones that do not stream."""
    if options.name == "local" and not options.fallbacks:
        return build_stt(options)
    providers = _built("stt", build_stt, options, failures)
    if not options.fallbacks and not providers[0].capabilities.streaming:
        # The session gives it utterances; each is asked for by itself, and once more if that fails.
        return providers[0]
    return Hearing(
        [each if each.capabilities.streaming else stt.StreamAdapter(stt=each, vad=detector) for each in providers]
    )


def llm_chain(options: ProviderOptions, failures: Failures) -> llm.LLM[Any]:
    """What thinks."""
    providers = _built("llm", build_llm, options, failures)
    if not options.fallbacks:
        return providers[0]
    return llm.FallbackAdapter(providers, attempt_timeout=FALLBACK_SECONDS)


def tts_chain(options: ProviderOptions, failures: Failures) -> tts.TTS[Any]:
    """What speaks, at the highest of their sample rates."""
    providers = _built("tts", build_tts, options, failures)
    if not options.fallbacks:
        return providers[0]
    return tts.FallbackAdapter(providers, max_retry_per_tts=0)


def _built(kind: Kind, build: Callable[[ProviderOptions], T], options: ProviderOptions, failures: Failures) -> list[T]:
    providers = []
    for place, each in enumerate((options, *options.fallbacks)):
        provider = build(each)
        failures.watch(kind, place, each.name, provider)
        providers.append(provider)
    return providers
