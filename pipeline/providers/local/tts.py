"""The local TTS: espeak-ng, sentence by sentence."""

from __future__ import annotations

import asyncio
import threading

from livekit.agents import APIConnectOptions, tokenize, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.utils import aio, shortuuid

from pipeline.providers.local import espeak

# Espeak pauses between the sentences of a text. It is given one sentence at a time, to be quick with the first.
_PAUSE_SECONDS = 0.4


class Voice(tts.TTS[None]):
    """Speaks with one of espeak-ng's voices, at `speed` words a minute."""

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
        """Speak a text that is known from the beginning."""
        return Speech(self, text, conn_options)

    def stream(self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> tts.SynthesizeStream:
        """Speak a text that is still being written."""
        return LiveSpeech(self, conn_options)

    async def say(self, text: str, emitter: tts.AudioEmitter) -> None:
        """Speak into the emitter, from a thread. Cancelled, the thread stops at the next chunk of 60 ms."""
        loop = asyncio.get_running_loop()
        cancelled = threading.Event()

        def push(chunk: bytes) -> None:
            if not cancelled.is_set():
                emitter.push(chunk)

        begun = False

        def take(chunk: bytes) -> bool:
            nonlocal begun
            if cancelled.is_set():
                return False
            heard = chunk if begun else _without_lead(chunk)
            begun = begun or bool(heard)
            loop.call_soon_threadsafe(push, heard)
            return True

        speaking = asyncio.ensure_future(
            asyncio.to_thread(espeak.synthesise, text, take, voice=self.voice, speed=self.speed)
        )
        try:
            await asyncio.shield(speaking)
        finally:
            cancelled.set()
            # The library is everybody's, so nobody leaves while it still speaks for them.
            await speaking


def _without_lead(samples: bytes) -> bytes:
    """Without the silence that the library begins with, 10 ms of a first word."""
    silent = len(samples) - len(samples.lstrip(b"\0"))
    return samples[silent - silent % 2 :]


class Speech(tts.ChunkedStream):
    """A text, all at once."""

    def __init__(self, voice: Voice, text: str, conn_options: APIConnectOptions) -> None:
        super().__init__(tts=voice, input_text=text, conn_options=conn_options)
        self._voice = voice

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=shortuuid("local_"), sample_rate=self._voice.sample_rate, num_channels=1, mime_type="audio/pcm"
        )
        await self._voice.say(self.input_text, output_emitter)
        output_emitter.flush()


class LiveSpeech(tts.SynthesizeStream):
    """A text, as it comes."""

    def __init__(self, voice: Voice, conn_options: APIConnectOptions) -> None:
        super().__init__(tts=voice, conn_options=conn_options)
        self._voice = voice

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=shortuuid("local_"),
            sample_rate=self._voice.sample_rate,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
        )
        output_emitter.start_segment(segment_id=shortuuid("local_"))
        # A short first sentence is not kept back for the second one.
        sentences = tokenize.blingfire.SentenceTokenizer(min_sentence_len=1).stream()
        reading = asyncio.create_task(self._read(sentences))
        pause = b""
        try:
            async for sentence in sentences:
                self._mark_started()
                if pause:
                    output_emitter.push(pause)
                await self._voice.say(sentence.token, output_emitter)
                output_emitter.flush()
                pause = bytes(2 * round(_PAUSE_SECONDS * self._voice.sample_rate))
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
