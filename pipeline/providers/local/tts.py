"""The local TTS: espeak-ng, a sentence at a time."""

from __future__ import annotations

import asyncio
import threading

from livekit.agents import APIConnectOptions, tokenize, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.utils import aio, shortuuid

from pipeline.providers.local import espeak

# espeak-ng pauses between the sentences of a text, but it gets one at a time, so that the first is spoken early.
_PAUSE_SECONDS = 0.4


class EspeakTTS(tts.TTS[None]):
    """TTS with one of espeak-ng's voices, at `speed` words a minute."""

    def __init__(self, voice: str, speed: int) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True), sample_rate=espeak.sample_rate(), num_channels=1
        )
        self.voice = voice
        self.speed = speed

    @property
    def model(self) -> str:
        """The model's name, for metrics."""
        return f"espeak-ng/{self.voice}"

    @property
    def provider(self) -> str:
        """The provider's name, for metrics."""
        return "local"

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        """Synthesise a text that is complete."""
        return EspeakChunkedStream(self, text, conn_options)

    def stream(self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> tts.SynthesizeStream:
        """Synthesise a text that is still being written."""
        return EspeakSynthesizeStream(self, conn_options)

    async def synthesise_into(self, emitter: tts.AudioEmitter, text: str) -> None:
        """Synthesise into the emitter, from a thread. Cancelled, the thread stops at the next chunk of 60 ms."""
        loop = asyncio.get_running_loop()
        cancelled = threading.Event()

        def push(chunk: bytes) -> None:
            if not cancelled.is_set():
                emitter.push(chunk)

        started = False

        def on_audio(chunk: bytes) -> bool:
            nonlocal started
            if cancelled.is_set():
                return False
            audible = chunk if started else _strip_leading_silence(chunk)
            started = started or bool(audible)
            loop.call_soon_threadsafe(push, audible)
            return True

        synthesising = asyncio.ensure_future(
            asyncio.to_thread(espeak.synthesise, text, on_audio, voice=self.voice, speed=self.speed)
        )
        try:
            await asyncio.shield(synthesising)
        finally:
            cancelled.set()
            # The library is shared: this stream must not end before its thread has left it.
            await synthesising


def _initialize(emitter: tts.AudioEmitter, *, stream: bool = False) -> None:
    emitter.initialize(
        request_id=shortuuid("local_"),
        sample_rate=espeak.sample_rate(),
        num_channels=1,
        mime_type="audio/pcm",
        stream=stream,
    )


def _strip_leading_silence(samples: bytes) -> bytes:
    # The library begins with 10 ms of silence, by which the first word would be later.
    silent = len(samples) - len(samples.lstrip(b"\0"))
    return samples[silent - silent % 2 :]


class EspeakChunkedStream(tts.ChunkedStream):
    """The audio of a complete text."""

    def __init__(self, espeak_tts: EspeakTTS, text: str, conn_options: APIConnectOptions) -> None:
        super().__init__(tts=espeak_tts, input_text=text, conn_options=conn_options)
        self._espeak_tts = espeak_tts

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        _initialize(output_emitter)
        await self._espeak_tts.synthesise_into(output_emitter, self.input_text)
        output_emitter.flush()


class EspeakSynthesizeStream(tts.SynthesizeStream):
    """The audio of a text that is still being written."""

    def __init__(self, espeak_tts: EspeakTTS, conn_options: APIConnectOptions) -> None:
        super().__init__(tts=espeak_tts, conn_options=conn_options)
        self._espeak_tts = espeak_tts

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        _initialize(output_emitter, stream=True)
        output_emitter.start_segment(segment_id=shortuuid("local_"))
        # The tokenizer would otherwise hold back a short first sentence until the second one is complete.
        sentences = tokenize.blingfire.SentenceTokenizer(min_sentence_len=1).stream()
        reading = asyncio.create_task(self._read(sentences))
        pause = b""
        try:
            async for sentence in sentences:
                self._mark_started()
                if pause:
                    output_emitter.push(pause)
                await self._espeak_tts.synthesise_into(output_emitter, sentence.token)
                output_emitter.flush()
                pause = bytes(2 * round(_PAUSE_SECONDS * self._espeak_tts.sample_rate))
            output_emitter.end_segment()
        finally:
            await aio.cancel_and_wait(reading)
            await sentences.aclose()

    async def _read(self, sentences: tokenize.SentenceStream) -> None:
        async for text in self._input_ch:
            if isinstance(text, str):
                sentences.push_text(text)
            else:
                sentences.flush()
        sentences.end_input()
