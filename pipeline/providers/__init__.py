"""What hears, thinks and speaks.

    registry      one entry for each provider
    checks        refuses options that could not be built; imports no plugin
    build         builds livekit-agents' objects from a tenant's options
    chain         a provider and its fallbacks as one, and what is known of their failures
    hearing       several STTs as one, of which the next is told what the last has not answered
    own_options   the options that only one provider knows, and their checks
    deepgram, openai, elevenlabs    one module for each plugin
    local/        works offline

Nothing here reads an environment variable: a plugin is always given the tenant's key and address, so that it cannot
fall back to those of the process, which are somebody else's.
"""

from __future__ import annotations

from pipeline.providers.build import build_llm, build_stt, build_tts, preload
from pipeline.providers.registry import PROVIDERS
from pipeline.providers.validation import check

__all__ = ["PROVIDERS", "build_llm", "build_stt", "build_tts", "check", "preload"]
