"""From a tenant's options to the local providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from pipeline.errors import InvalidProviderOption
from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import OwnOptions, own_options
from pipeline.providers.local import espeak, sphinx
from pipeline.providers.local.errors import BadPhrase, UnknownVoice, UnknownWord
from pipeline.providers.local.script import Line, Script, default_script
from pipeline.providers.local.sphinx import Recogniser

if TYPE_CHECKING:
    # livekit-agents takes seconds to import, which who only checks options should not spend.
    from pipeline.providers.local.llm import Mind
    from pipeline.providers.local.stt import Ears
    from pipeline.providers.local.tts import Voice


class EarsOptions(OwnOptions):
    """`phrases`: what can be heard (see `phrases`); what the default script understands, unless given."""

    phrases: tuple[str, ...] | None = Field(default=None, min_length=1)

    @property
    def heard(self) -> tuple[str, ...]:
        """The tenant's own phrases, or the default script's."""
        return tuple(default_script().phrases) if self.phrases is None else self.phrases


class MindOptions(OwnOptions):
    """`script`, `fallback`: see `script`. `delay_ms`: before each word of an answer, as a model would have it."""

    script: tuple[Line, ...] | None = Field(default=None, min_length=1)
    fallback: str | None = Field(default=None, min_length=1)
    delay_ms: int = Field(default=0, ge=0, le=10_000)

    def dialogue(self) -> Script:
        """The script: the tenant's own, or the default one."""
        default = default_script()
        return Script(script=self.script or default.script, fallback=self.fallback or default.fallback)


class VoiceOptions(OwnOptions):
    """`speed`: words a minute."""

    speed: int = Field(default=espeak.DEFAULT_SPEED, ge=espeak.SLOWEST, le=espeak.FASTEST)


def check_stt(options: ProviderOptions) -> EarsOptions:
    """Its own options. Raises InvalidProviderOption."""
    own = own_options("stt", options, EarsOptions)
    if options.language is not None and options.language.split("-")[0].lower() != "en":
        raise InvalidProviderOption(
            kind="stt",
            name=options.name,
            field="language",
            value=options.language,
            cure="it understands English alone; leave the language out",
        )
    try:
        # Kept for the call: what is made here is not made again when the ears are built.
        Recogniser(own.heard)
    except (BadPhrase, UnknownWord) as error:
        raise InvalidProviderOption(
            kind="stt", name=options.name, field="phrases", value=own.phrases, cure=error
        ) from error
    return own


def check_llm(options: ProviderOptions) -> MindOptions:
    """Its own options. Raises InvalidProviderOption."""
    own = own_options("llm", options, MindOptions)
    try:
        own.dialogue()
    except ValidationError as error:
        cure = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InvalidProviderOption(
            kind="llm", name=options.name, field="script", value=[line.say for line in own.script or ()], cure=cure
        ) from None
    return own


def check_tts(options: ProviderOptions) -> VoiceOptions:
    """Its own options, and the voice. Raises InvalidProviderOption."""
    own = own_options("tts", options, VoiceOptions)
    voice = _voice(options)
    try:
        espeak.check_voice(voice)
    except UnknownVoice as error:
        field = "language" if options.voice is None else "voice"
        raise InvalidProviderOption(kind="tts", name=options.name, field=field, value=voice, cure=error) from error
    return own


def build_stt(_: ProviderOptions, own: EarsOptions) -> Ears:
    """Ears for the tenant's phrases."""
    from pipeline.providers.local.stt import Ears  # noqa: PLC0415

    return Ears(Recogniser(own.heard))


def build_llm(_: ProviderOptions, own: MindOptions) -> Mind:
    """A mind with the tenant's script."""
    from pipeline.providers.local.llm import Mind  # noqa: PLC0415

    return Mind(own.dialogue(), delay=own.delay_ms / 1000)


def build_tts(options: ProviderOptions, own: VoiceOptions) -> Voice:
    """A voice."""
    from pipeline.providers.local.tts import Voice  # noqa: PLC0415

    return Voice(_voice(options), own.speed)


def _voice(options: ProviderOptions) -> str:
    return options.voice or _voice_of(options.language)


def _voice_of(language: str | None) -> str:
    """Espeak names its voices for the language that they speak, and only some for the country."""
    if language is None:
        return espeak.DEFAULT_VOICE
    try:
        espeak.check_voice(language.lower())
    except UnknownVoice:
        return language.lower().split("-")[0]
    return language.lower()


def preload() -> None:
    """Load the code and the models: 0.1 s and about 40 MB, shared by every child that is forked afterwards."""
    from pipeline.providers.local import llm, stt, tts  # noqa: F401, PLC0415 - importing them is the work

    espeak.preload()
    sphinx.preload()
    Recogniser(default_script().phrases)
