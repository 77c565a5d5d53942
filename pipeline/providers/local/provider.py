"""Builders of the local providers, and validation of their options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import ExtraOptions, invalid_option, message_of, parse_extra
from pipeline.providers.local import espeak, sphinx
from pipeline.providers.local.errors import InvalidPhrase, UnknownVoice, UnknownWord
from pipeline.providers.local.script import Exchange, Script, default_script
from pipeline.providers.local.sphinx import Recogniser

if TYPE_CHECKING:
    # Importing livekit-agents takes seconds, which validation alone must not cost.
    from pipeline.providers.local.llm import ScriptedLLM
    from pipeline.providers.local.stt import LocalSTT
    from pipeline.providers.local.tts import EspeakTTS


class SttOptions(ExtraOptions):
    """Extra options of the STT. `phrases`: what it recognises (see `phrases`); None for the default script's."""

    phrases: tuple[str, ...] | None = Field(default=None, min_length=1)

    @property
    def phrases_or_default(self) -> tuple[str, ...]:
        """The tenant's own phrases, or those of the default script."""
        return tuple(default_script().phrases) if self.phrases is None else self.phrases


class LlmOptions(ExtraOptions):
    """Extra options of the LLM. `script`, `fallback`: see `script`. `delay_ms`: before each word of an answer."""

    script: tuple[Exchange, ...] | None = Field(default=None, min_length=1)
    fallback: str | None = Field(default=None, min_length=1)
    delay_ms: int = Field(default=0, ge=0, le=10_000)

    def to_script(self) -> Script:
        """Return the script, with the default one's parts for what the tenant does not set."""
        default = default_script()
        return Script(script=self.script or default.script, fallback=self.fallback or default.fallback)


class TtsOptions(ExtraOptions):
    """Extra options of the TTS. `speed`: words a minute."""

    speed: int = Field(default=espeak.DEFAULT_SPEED, ge=espeak.MIN_SPEED, le=espeak.MAX_SPEED)


def validate_stt(options: ProviderOptions) -> SttOptions:
    """Return the extra options, validated. Raises InvalidProviderOption."""
    extra = parse_extra("stt", options, SttOptions)
    if options.language is not None and options.language.split("-")[0].lower() != "en":
        cure = "it understands English alone; leave the language out"
        raise invalid_option("stt", options, "language", options.language, cure)
    try:
        # The process keeps the grammar that this makes, so `build_stt` does not make it again.
        Recogniser(extra.phrases_or_default)
    except (InvalidPhrase, UnknownWord) as error:
        raise invalid_option("stt", options, "phrases", extra.phrases, error) from error
    return extra


def validate_llm(options: ProviderOptions) -> LlmOptions:
    """Return the extra options, validated. Raises InvalidProviderOption."""
    extra = parse_extra("llm", options, LlmOptions)
    try:
        extra.to_script()
    except ValidationError as error:
        answers = [exchange.say for exchange in extra.script or ()]
        raise invalid_option("llm", options, "script", answers, message_of(error)) from None
    return extra


def validate_tts(options: ProviderOptions) -> TtsOptions:
    """Return the extra options, validated. Raises InvalidProviderOption, also for an unknown voice."""
    extra = parse_extra("tts", options, TtsOptions)
    voice = _voice(options)
    try:
        espeak.check_voice(voice)
    except UnknownVoice as error:
        field = "language" if options.voice is None else "voice"
        raise invalid_option("tts", options, field, voice, error) from error
    return extra


def build_stt(_: ProviderOptions, extra: SttOptions) -> LocalSTT:
    """Build the STT for the tenant's phrases."""
    from pipeline.providers.local.stt import LocalSTT  # noqa: PLC0415

    return LocalSTT(Recogniser(extra.phrases_or_default))


def build_llm(_: ProviderOptions, extra: LlmOptions) -> ScriptedLLM:
    """Build the LLM with the tenant's script."""
    from pipeline.providers.local.llm import ScriptedLLM  # noqa: PLC0415

    return ScriptedLLM(extra.to_script(), delay_seconds=extra.delay_ms / 1000)


def build_tts(options: ProviderOptions, extra: TtsOptions) -> EspeakTTS:
    """Build the TTS with the tenant's voice, or one for its language."""
    from pipeline.providers.local.tts import EspeakTTS  # noqa: PLC0415

    return EspeakTTS(_voice(options), extra.speed)


def _voice(options: ProviderOptions) -> str:
    return options.voice or _voice_for(options.language)


def _voice_for(language: str | None) -> str:
    # espeak-ng names its voices by language, and only some by language and country.
    if language is None:
        return espeak.DEFAULT_VOICE
    try:
        espeak.check_voice(language.lower())
    except UnknownVoice:
        return language.lower().split("-")[0]
    return language.lower()


def preload() -> None:
    """Load the code and the models before a fork: 0.1 s and about 40 MB, which all children share."""
    from pipeline.providers.local import llm, stt, tts  # noqa: F401, PLC0415 - importing them is the work

    espeak.preload()
    sphinx.preload()
    Recogniser(default_script().phrases)
