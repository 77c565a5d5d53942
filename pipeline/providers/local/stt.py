"""The local STT: it hears a set of phrases, live."""

from __future__ import annotations

import asyncio

from livekit.agents import NOT_GIVEN, APIConnectOptions, NotGivenOr, stt
from livekit.agents.language import LanguageCode
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.utils import AudioBuffer, shortuuid

from pipeline.providers.local.endpoint import FRAME_BYTES, FRAME_SECONDS, Endpointer, Turn
from pipeline.providers.local.sphinx import SAMPLE_RATE, Recogniser

ENGLISH = LanguageCode("en")
# A phrase takes a few seconds. Whatever is longer is the television.
_LONGEST_SECONDS = 15.0
_FIRST_GUESS_SECONDS = 1.0


class Ears(stt.STT[None]):
    """Hears what the recogniser knows, and nothing in anything else. Needs no VAD: it ends an utterance by itself."""

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
    ) -> Listening:
        """Listen to one call."""
        return Listening(self, conn_options)

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
        heard = stt.SpeechData(language=ENGLISH, text=" ".join(texts), confidence=1.0 if texts else 0.0)
        return stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, shortuuid("local_"), [heard])


class Listening(stt.RecognizeStream):
    """One call's audio. It is heard in a thread, while the event loop goes on."""

    def __init__(self, ears: Ears, conn_options: APIConnectOptions) -> None:
        super().__init__(stt=ears, conn_options=conn_options, sample_rate=SAMPLE_RATE)
        self._recogniser = ears.recogniser
        self._endpointer = Endpointer(longest=_LONGEST_SECONDS)
        self._rest = b""
        self._request = ""
        self._elapsed = 0.0
        self._reported = 0.0
        self._next_guess = 0.0
        # What the utterance is if nothing more is said, once that is known.
        self._settled: str | None = None

    async def _run(self) -> None:
        async for item in self._input_ch:
            if isinstance(item, self._FlushSentinel):
                await self._end()
                continue
            pcm = self._rest + item.data.tobytes()
            for frame in Endpointer.frames(pcm):
                await self._hear(frame)
            self._rest = pcm[len(pcm) - len(pcm) % FRAME_BYTES :]
        self._report_usage()

    async def _hear(self, frame: bytes) -> None:
        self._elapsed += FRAME_SECONDS
        turn = self._endpointer.feed(frame)
        if turn is Turn.STARTED:
            self._request = shortuuid("local_")
            self._next_guess = _FIRST_GUESS_SECONDS
            self._send(stt.SpeechEventType.START_OF_SPEECH)
        elif turn is Turn.RESUMED:
            self._settled = None
        elif turn is Turn.BREATH:
            # Begun now, it is done when the silence has been long enough to count.
            self._settled = await asyncio.to_thread(self._recogniser.hear, self._endpointer.utterance)
        elif turn is Turn.OVER or (turn is Turn.QUIET and self._settled):
            # What is no phrase yet may become one: somebody has stopped to think.
            await self._end()
        if self._settled is None and self._endpointer.speaking:
            await self._guess()

    async def _guess(self) -> None:
        if self._endpointer.utterance_seconds < self._next_guess:
            return
        # At one second, two, four: so that all guesses together cost no more than two looks at the whole.
        self._next_guess *= 2
        guess = await asyncio.to_thread(self._recogniser.guess, self._endpointer.utterance)
        if guess:
            self._send(stt.SpeechEventType.INTERIM_TRANSCRIPT, guess)

    async def _end(self) -> None:
        if not self._endpointer.speaking:
            return
        if self._settled is None:
            self._settled = await asyncio.to_thread(self._recogniser.hear, self._endpointer.utterance)
        if self._settled:
            self._send(stt.SpeechEventType.FINAL_TRANSCRIPT, self._settled)
        self._send(stt.SpeechEventType.END_OF_SPEECH)
        self._report_usage()
        self._settled = None
        self._endpointer.reset()

    def _send(self, kind: stt.SpeechEventType, text: str | None = None) -> None:
        event = stt.SpeechEvent(kind, self._request)
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
        self._event_ch.send_nowait(stt.SpeechEvent(kind, self._request, recognition_usage=usage))
