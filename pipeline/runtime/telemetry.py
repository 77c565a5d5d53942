"""livekit-agents' spans: turns, STT, LLM, TTS, tools, and the job around them."""

from __future__ import annotations

from livekit.agents import telemetry
from opentelemetry.sdk.trace import TracerProvider


def export_spans(provider: TracerProvider, *, allow_pii: bool) -> None:
    """Have livekit-agents write its spans to this provider; an agent may choose another one, which then gets them.

    `allow_pii`: with what was said, prompts, and the names of rooms and participants. OpenTelemetry's global provider
    stays unset: it can be set once, and many agents set it.
    """
    telemetry.set_tracer_provider(provider, allow_pii=allow_pii)
