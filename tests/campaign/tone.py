"""livekit-agents plugins that cost little CPU: any speech is the word `hello`, any text is spoken as a tone.

So an agent has a real AgentSession with a real VAD, and a caller hears whether it listens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from livekit.agents import NOT_GIVEN, APIConnectOptions, NotGivenOr, llm, stt, tts
from livekit.agents.language import LanguageCode
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.utils import AudioBuffer, shortuuid

RATE = 16000
HERTZ = 440
LOUDNESS = 5000
SECONDS = 0.8


def tone(seconds: float, hertz: float = HERTZ) -> bytes:
    """Return a tone as 16-bit mono PCM."""
    samples = LOUDNESS * np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE)
    return samples.astype("<i2").tobytes()


class AnySpeech(stt.STT[None]):
    """STT that recognises `hello` in any speech."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: NotGivenOr[str] = NOT_GIVEN, conn_options: APIConnectOptions
    ) -> stt.SpeechEvent:
        speech = stt.SpeechData(language=LanguageCode("en"), text="hello", confidence=1.0)
        return stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, shortuuid("any_"), [speech])


class Answer(llm.LLM[None]):
    """LLM that answers each turn with a word, or with a call of the first tool and then with a word."""

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> llm.LLMStream:
        return _AnswerStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _AnswerStream(llm.LLMStream):
    async def _run(self) -> None:
        functions = [tool for tool in self._tools if isinstance(tool, llm.FunctionTool)]
        last = self._chat_ctx.items[-1] if self._chat_ctx.items else None
        delta = llm.ChoiceDelta(role="assistant", content="yes")
        if functions and last is not None and last.type == "message" and last.role == "user":
            name = functions[0].info.name
            call = llm.FunctionToolCall(name=name, arguments="{}", call_id=shortuuid("call_"))
            delta = llm.ChoiceDelta(role="assistant", tool_calls=[call])
        self._event_ch.send_nowait(llm.ChatChunk(id=shortuuid("answer_"), delta=delta))


class Tone(tts.TTS[None]):
    """TTS that speaks a tone of SECONDS, whatever the text is."""

    def __init__(self) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1)

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _ToneStream(tts=self, input_text=text, conn_options=conn_options)


class _ToneStream(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=shortuuid("tone_"), sample_rate=RATE, num_channels=1, mime_type="audio/pcm"
        )
        output_emitter.push(tone(SECONDS))
        output_emitter.flush()
