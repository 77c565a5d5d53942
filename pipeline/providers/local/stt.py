"""The local STT: streaming recognition of a fixed set of phrases."""

from __future__ import annotations

import asyncio

from livekit.agents import NOT_GIVEN, APIConnectOptions, NotGivenOr, stt
from livekit.agents.language import LanguageCode
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.utils import AudioBuffer, shortuuid

from pipeline.providers.local.endpointer import FRAME_BYTES, FRAME_SECONDS, Endpointer, EndpointEvent
from pipeline.providers.local.sphinx import SAMPLE_RATE, Recogniser

ENGLISH = LanguageCode("en")
# A phrase takes a few seconds. Anything longer is background noise, such as a television.
_MAX_UTTERANCE_SECONDS = 15.0
_FIRST_INTERIM_SECONDS = 1.0


class LocalSTT(stt.STT[None]):
    """STT that recognises the phrases of its recogniser, and nothing in other speech. It ends utterances itself."""

    def __init__(self, recogniser: Recogniser) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.recogniser = recogniser

    @property
    def model(self) -> str:
        """The model's name, for metrics."""
        return "pocketsphinx"

    @property
    def provider(self) -> str:
        """The provider's name, for metrics."""
        return "local"

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,  # noqa: ARG002 - the interface's
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> LocalRecognizeStream:
        """Open a stream for the audio of one call."""
        return LocalRecognizeStream(self, conn_options)

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,  # noqa: ARG002 - the interface's
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        async with self.stream(conn_options=conn_options) as stream:
            for frame in buffer if isinstance(buffer, list) else [buffer]:
                stream.push_frame(frame)
            stream.end_input()
            events = [event async for event in stream if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT]
        texts = [event.alternatives[0].text for event in events]
        speech = stt.SpeechData(language=ENGLISH, text=" ".join(texts), confidence=1.0 if texts else 0.0)
        return stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, shortuuid("local_"), [speech])


class LocalRecognizeStream(stt.RecognizeStream):
    """The audio of one call, recognised in a thread, so that the event loop continues."""

    def __init__(self, local_stt: LocalSTT, conn_options: APIConnectOptions) -> None:
        super().__init__(stt=local_stt, conn_options=conn_options, sample_rate=SAMPLE_RATE)
        self._recogniser = local_stt.recogniser
        self._endpointer = Endpointer(max_seconds=_MAX_UTTERANCE_SECONDS)
        self._rest = b""
        self._request_id = ""
        self._elapsed = 0.0
        self._reported = 0.0
        self._next_interim = 0.0
        # The phrase that the utterance is if it ends now; None while that is unknown.
        self._phrase: str | None = None

    async def _run(self) -> None:
        async for item in self._input_ch:
            if isinstance(item, self._FlushSentinel):
                await self._end_utterance()
                continue
            pcm = self._rest + item.data.tobytes()
            for frame in Endpointer.frames(pcm):
                await self._process(frame)
            self._rest = pcm[len(pcm) - len(pcm) % FRAME_BYTES :]
        self._report_usage()

    async def _process(self, frame: bytes) -> None:
        self._elapsed += FRAME_SECONDS
        event = self._endpointer.feed(frame)
        if event is EndpointEvent.SPEECH_STARTED:
            self._request_id = shortuuid("local_")
            self._next_interim = _FIRST_INTERIM_SECONDS
            self._send(stt.SpeechEventType.START_OF_SPEECH)
        elif event is EndpointEvent.SPEECH_RESUMED:
            self._phrase = None
        elif event is EndpointEvent.SHORT_PAUSE:
            # Started now, recognition is done when the pause is long enough to end the utterance.
            self._phrase = await asyncio.to_thread(self._recogniser.recognise, self._endpointer.utterance)
        elif event is EndpointEvent.SPEECH_ENDED or (event is EndpointEvent.PAUSE and self._phrase):
            # At a PAUSE, an utterance that is no phrase yet may still become one: the caller may be thinking.
            await self._end_utterance()
        if self._phrase is None and self._endpointer.speaking:
            await self._send_interim()

    async def _send_interim(self) -> None:
        if self._endpointer.utterance_seconds < self._next_interim:
            return
        # At 1 s, 2 s, 4 s: all of them together cost no more than recognising the whole utterance twice.
        self._next_interim *= 2
        text = await asyncio.to_thread(self._recogniser.recognise_partial, self._endpointer.utterance)
        if text:
            self._send(stt.SpeechEventType.INTERIM_TRANSCRIPT, text)

    async def _end_utterance(self) -> None:
        if not self._endpointer.speaking:
            return
        if self._phrase is None:
            self._phrase = await asyncio.to_thread(self._recogniser.recognise, self._endpointer.utterance)
        if self._phrase:
            self._send(stt.SpeechEventType.FINAL_TRANSCRIPT, self._phrase)
        self._send(stt.SpeechEventType.END_OF_SPEECH)
        self._report_usage()
        self._phrase = None
        self._endpointer.reset()

    def _send(self, kind: stt.SpeechEventType, text: str | None = None) -> None:
        event = stt.SpeechEvent(kind, self._request_id)
        if text is not None:
            end = self._elapsed - self._endpointer.silent_seconds
            begin = self._elapsed - self._endpointer.utterance_seconds
            offset = self.start_time_offset
            event.alternatives = [stt.SpeechData(ENGLISH, text, begin + offset, end + offset, confidence=1.0)]
        self._event_ch.send_nowait(event)

    def _report_usage(self) -> None:
        usage = stt.RecognitionUsage(audio_duration=self._elapsed - self._reported)
        self._reported = self._elapsed
        kind = stt.SpeechEventType.RECOGNITION_USAGE
        self._event_ch.send_nowait(stt.SpeechEvent(kind, self._request_id, recognition_usage=usage))
