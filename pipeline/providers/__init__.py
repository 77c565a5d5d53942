"""Providers: builders for the speech to text, language models and text to speech that a tenant names.

    registry          one entry for each provider: its module, its key, the options it takes
    validation        checks of a provider's options, without importing its plugin
    extra_options     the options that only one provider has, as pydantic models
    build             livekit-agents' objects from a tenant's options; preload of the plugins before a fork
    fallbacks         a provider and its fallbacks as one livekit-agents object, and their timeouts and retries
    stt_fallback      the STT that falls back without losing speech
    not_given         None as livekit-agents' NOT_GIVEN
    anthropic         LLM
    cartesia          TTS
    deepgram          STT
    deepgram_flux     STT that detects the end of a turn
    elevenlabs        TTS
    google            STT and LLM (Gemini)
    groq              LLM
    langgraph         a tenant's graph as the LLM
    openai            STT, LLM and TTS, also for servers that speak OpenAI's protocol
    openai_tts        OpenAI's TTS with a deadline
    local/            STT, LLM and TTS that work offline, without keys

Nothing here reads an environment variable. Each plugin is given the tenant's key and address explicitly, because it
would otherwise fall back to those of the process, which belong to the operator.
"""

from __future__ import annotations

from pipeline.providers.build import build_llm, build_stt, build_tts, preload
from pipeline.providers.registry import PROVIDERS
from pipeline.providers.validation import validate

__all__ = ["PROVIDERS", "build_llm", "build_stt", "build_tts", "preload", "validate"]
