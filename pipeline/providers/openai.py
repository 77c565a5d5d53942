"""OpenAI, and servers that speak its protocol at another `base_url`: STT, LLM and TTS."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipeline.options import Kind, ProviderOptions
from pipeline.providers.extra_options import ExtraOptions, invalid_option, parse_extra
from pipeline.providers.not_given import or_not_given
from pipeline.runtime.plugin_clients import ignore_environment

if TYPE_CHECKING:
    from livekit.plugins import openai

BASE_URL = "https://api.openai.com/v1"
DEFAULT_STT_MODEL = "gpt-4o-mini-transcribe"
DEFAULT_LLM_MODEL = "gpt-4.1-mini"
DEFAULT_TTS_MODEL = "gpt-4o-mini-tts"
DEFAULT_VOICE = "ash"
# Sent to servers that need no key. Without it the SDK would send them the OPENAI_API_KEY of the process.
NO_KEY = "none"

_IMPORTED_BY_CONNECTING = ("httpcore2", "anyio._backends._asyncio")
_COMPLETION = (
    b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":'
    b'{"role":"assistant","content":"Hi","tool_calls":[{"index":0,"id":"1","type":"function","function":'
    b'{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":'
    b'{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"prompt_tokens_details":{"cached_tokens":0}}}\n\n'
    b"data: [DONE]\n\n"
)

logger = logging.getLogger("switchboard.pipeline.providers")


class SttOptions(ExtraOptions):
    """Extra options of the STT. `prompt`: words to expect.

    `realtime`: use the realtime protocol, which streams. Otherwise each utterance is sent as a whole after its end.
    """

    realtime: bool = False
    detect_language: bool = False
    prompt: str | None = None


class LlmOptions(ExtraOptions):
    """Extra options of the LLM, as in OpenAI's documentation."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_completion_tokens: int | None = Field(default=None, gt=0)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    service_tier: str | None = None


class TtsOptions(ExtraOptions):
    """Extra options of the TTS, as in OpenAI's documentation. `pcm` is the fastest: nothing has to be decoded."""

    speed: float = Field(default=1.0, ge=0.25, le=4)
    instructions: str | None = None
    response_format: Literal["pcm", "mp3", "wav", "opus", "aac", "flac"] = "pcm"


def preload() -> None:
    """Have OpenAI's SDK do what it does in the first request of each process: imports, and classes for its answers.

    In a call they are 7 MB of its own and 34 ms of its first answer. The request here has a fixed answer: it opens no
    connection, and starts no thread and no event loop. A failure is left to the calls.
    """
    try:
        for module in _IMPORTED_BY_CONNECTING:
            import_module(module)
        _complete_a_chat()
    except Exception:
        logger.debug("warm-up of OpenAI's SDK failed", exc_info=True)


def _complete_a_chat() -> None:
    import httpx2  # noqa: PLC0415

    # It comes with the plugin, which bounds its version.
    sdk: Any = import_module("openai")

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=_COMPLETION)

    http = httpx2.Client(transport=httpx2.MockTransport(answer), trust_env=False)
    with sdk.OpenAI(api_key=NO_KEY, base_url=BASE_URL, http_client=http) as client:
        chunks = client.chat.completions.create(
            model=DEFAULT_LLM_MODEL,
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hello?"},
                {"role": "assistant", "content": "Hi."},
            ],
            tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            stream=True,
            stream_options={"include_usage": True},
        )
        for _ in chunks:
            pass


def validate_stt(options: ProviderOptions) -> SttOptions:
    """Return the extra options, validated. Raises InvalidProviderOption, also for a missing `model`."""
    _model("stt", options, DEFAULT_STT_MODEL)
    return parse_extra("stt", options, SttOptions)


def build_stt(options: ProviderOptions, extra: SttOptions) -> openai.STT:
    """Build the STT, which streams only with `realtime`."""
    from livekit.plugins import openai  # noqa: PLC0415

    return ignore_environment(
        openai.STT(
            model=_model("stt", options, DEFAULT_STT_MODEL),
            language=options.language or "en",
            detect_language=extra.detect_language,
            prompt=or_not_given(extra.prompt),
            use_realtime=or_not_given(extra.realtime or None),
            api_key=_key(options),
            base_url=options.base_url or BASE_URL,
        )
    )


def validate_llm(options: ProviderOptions) -> LlmOptions:
    """Return the extra options, validated. Raises InvalidProviderOption, also for a missing `model`."""
    _model("llm", options, DEFAULT_LLM_MODEL)
    return parse_extra("llm", options, LlmOptions)


def build_llm(options: ProviderOptions, extra: LlmOptions) -> openai.LLM:
    """Build the LLM, by streaming chat completions."""
    from livekit.plugins import openai  # noqa: PLC0415

    return ignore_environment(
        openai.LLM(
            model=_model("llm", options, DEFAULT_LLM_MODEL),
            temperature=or_not_given(extra.temperature),
            top_p=or_not_given(extra.top_p),
            max_completion_tokens=or_not_given(extra.max_completion_tokens),
            reasoning_effort=or_not_given(extra.reasoning_effort),
            verbosity=or_not_given(extra.verbosity),
            service_tier=or_not_given(extra.service_tier),
            api_key=_key(options),
            base_url=options.base_url or BASE_URL,
        )
    )


def validate_tts(options: ProviderOptions) -> TtsOptions:
    """Return the extra options, validated. Raises InvalidProviderOption, also for a missing `model`."""
    _model("tts", options, DEFAULT_TTS_MODEL)
    return parse_extra("tts", options, TtsOptions)


def build_tts(options: ProviderOptions, extra: TtsOptions) -> openai.TTS:
    """Build the TTS, which takes a sentence at a time."""
    from pipeline.providers.openai_tts import DeadlineTTS  # noqa: PLC0415

    return ignore_environment(
        DeadlineTTS(
            model=_model("tts", options, DEFAULT_TTS_MODEL),
            voice=options.voice or DEFAULT_VOICE,
            speed=extra.speed,
            instructions=or_not_given(extra.instructions),
            response_format=extra.response_format,
            api_key=_key(options),
            base_url=options.base_url or BASE_URL,
        )
    )


def _key(options: ProviderOptions) -> str:
    return NO_KEY if options.api_key is None else options.api_key.reveal()


def _model(kind: Kind, options: ProviderOptions, default: str) -> str:
    if options.model is not None:
        return options.model
    if options.base_url is not None:
        raise invalid_option(kind, options, "model", None, "name the model that is served at base_url")
    return default
