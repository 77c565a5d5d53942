"""OpenAI, and whatever speaks its protocol at another `base_url`: STT, LLM and TTS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import Field

from pipeline.errors import InvalidProviderOption
from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import Kind, OwnOptions, own_options
from pipeline.providers.not_given import given

if TYPE_CHECKING:
    from livekit.plugins import openai

T = TypeVar("T")

BASE_URL = "https://api.openai.com/v1"
DEFAULT_STT_MODEL = "gpt-4o-mini-transcribe"
DEFAULT_LLM_MODEL = "gpt-4.1-mini"
DEFAULT_TTS_MODEL = "gpt-4o-mini-tts"
DEFAULT_VOICE = "ash"
# Sent to servers that ask for none. Without it the client would send the process's OPENAI_API_KEY to them.
NO_KEY = "none"


class SttOptions(OwnOptions):
    """`realtime`: over the realtime protocol, which streams; otherwise an utterance is sent once the VAD has ended it.

    `prompt`: words to expect.
    """

    realtime: bool = False
    detect_language: bool = False
    prompt: str | None = None


class LlmOptions(OwnOptions):
    """As in OpenAI's documentation."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_completion_tokens: int | None = Field(default=None, gt=0)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    service_tier: str | None = None


class TtsOptions(OwnOptions):
    """As in OpenAI's documentation. `pcm` is the quickest, because nothing has to be decoded."""

    speed: float = Field(default=1.0, ge=0.25, le=4)
    instructions: str | None = None
    response_format: Literal["pcm", "mp3", "wav", "opus", "aac", "flac"] = "pcm"


def check_stt(options: ProviderOptions) -> SttOptions:
    """Its own options, and the model where it has no default. Raises InvalidProviderOption."""
    _model("stt", options, DEFAULT_STT_MODEL)
    return own_options("stt", options, SttOptions)


def build_stt(options: ProviderOptions, own: SttOptions) -> openai.STT:
    """Recognition, an utterance at a time unless `realtime`."""
    from livekit.plugins import openai  # noqa: PLC0415

    return without_environment(
        openai.STT(
            model=_model("stt", options, DEFAULT_STT_MODEL),
            language=options.language or "en",
            detect_language=own.detect_language,
            prompt=given(own.prompt),
            use_realtime=given(own.realtime or None),
            api_key=_key(options),
            base_url=options.base_url or BASE_URL,
        )
    )


def check_llm(options: ProviderOptions) -> LlmOptions:
    """Its own options, and the model where it has no default. Raises InvalidProviderOption."""
    _model("llm", options, DEFAULT_LLM_MODEL)
    return own_options("llm", options, LlmOptions)


def build_llm(options: ProviderOptions, own: LlmOptions) -> openai.LLM:
    """Streaming chat completions."""
    from livekit.plugins import openai  # noqa: PLC0415

    return without_environment(
        openai.LLM(
            model=_model("llm", options, DEFAULT_LLM_MODEL),
            temperature=given(own.temperature),
            top_p=given(own.top_p),
            max_completion_tokens=given(own.max_completion_tokens),
            reasoning_effort=given(own.reasoning_effort),
            verbosity=given(own.verbosity),
            service_tier=given(own.service_tier),
            api_key=_key(options),
            base_url=options.base_url or BASE_URL,
        )
    )


def check_tts(options: ProviderOptions) -> TtsOptions:
    """Its own options, and the model where it has no default. Raises InvalidProviderOption."""
    _model("tts", options, DEFAULT_TTS_MODEL)
    return own_options("tts", options, TtsOptions)


def build_tts(options: ProviderOptions, own: TtsOptions) -> openai.TTS:
    """Speech, a sentence at a time."""
    from pipeline.providers.openai_tts import PromptTTS  # noqa: PLC0415

    return without_environment(
        PromptTTS(
            model=_model("tts", options, DEFAULT_TTS_MODEL),
            voice=options.voice or DEFAULT_VOICE,
            speed=own.speed,
            instructions=given(own.instructions),
            response_format=own.response_format,
            api_key=_key(options),
            base_url=options.base_url or BASE_URL,
        )
    )


def without_environment(built: T) -> T:
    """The same, which will send nothing but what it was given.

    OpenAI's client adds an organisation, a project and headers that it finds in the environment of the process, and the
    plugins leave no way to say that there are none.
    """
    client = vars(built)["_client"]
    client.organization = client.project = None
    client._custom_headers = {}  # noqa: SLF001 - see above
    return built


def _key(options: ProviderOptions) -> str:
    return NO_KEY if options.api_key is None else options.api_key.reveal()


def _model(kind: Kind, options: ProviderOptions, default: str) -> str:
    if options.model is not None:
        return options.model
    if options.base_url is not None:
        raise InvalidProviderOption(
            kind=kind, name=options.name, field="model", value=None, cure="name the model that is served at base_url"
        )
    return default
