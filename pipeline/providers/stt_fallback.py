"""An STT made of several: it uses the first that works, and loses no speech when that one fails.

livekit-agents' own FallbackAdapter (1.8.9) drops the audio that the failed provider had received, opens a second
connection to it for the rest of the call, and does not notice a provider that takes audio and sends no transcript.
This one keeps the audio that has no transcript yet and sends it to the next provider. A provider without a transcript
for speech that ended TRANSCRIPT_TIMEOUT_SECONDS ago has failed, too. The provider that works stays in use: one that
failed is tried again only after the others have failed.

The session's keyterms are not passed on; a tenant's keyterms are options of each provider.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterable, Callable, Sequence

from livekit import rtc
from livekit.agents import NOT_GIVEN, APIConnectionError, APIConnectOptions, APIError, APITimeoutError, NotGivenOr, stt
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.utils import AudioBuffer, aio

CONNECT_TIMEOUT_SECONDS = 2.0
TRANSCRIPT_TIMEOUT_SECONDS = 2.0
"""Longest time from the end of speech to its first transcript."""
MIN_SPEECH_SECONDS = 0.5
"""Shorter speech, such as a cough, needs no transcript."""
PRE_SPEECH_SECONDS = 1.0
"""Audio kept from before the VAD detects speech, because it detects speech late."""
MAX_BACKLOG_SECONDS = 15.0
HEALTHY_SECONDS = 10.0
"""A provider that worked for so long and then fails counts as the first to fail, not as one more in a row."""

_PARTIAL_TRANSCRIPTS = (stt.SpeechEventType.INTERIM_TRANSCRIPT, stt.SpeechEventType.PREFLIGHT_TRANSCRIPT)


class AudioBacklog:
    """The audio without a final transcript, the newest MAX_BACKLOG_SECONDS of it."""

    def __init__(self) -> None:
        self._frames: deque[rtc.AudioFrame] = deque()
        self._seconds = 0.0

    def append(self, frame: rtc.AudioFrame) -> None:
        """Add a frame, and drop the oldest ones above the maximum."""
        self._frames.append(frame)
        self._seconds += frame.duration
        self._drop_above(MAX_BACKLOG_SECONDS)

    def clear(self, *, keep_seconds: float = 0.0) -> None:
        """Drop all but the newest `keep_seconds`."""
        self._drop_above(keep_seconds)

    def frames(self) -> list[rtc.AudioFrame]:
        """Return the frames, oldest first."""
        return list(self._frames)

    def _drop_above(self, seconds: float) -> None:
        while self._frames and self._seconds > seconds:
            self._seconds -= self._frames.popleft().duration


class FallbackSTT(stt.STT[None]):
    """STT that uses the first of `providers`, all of which stream, and the next one when it fails."""

    def __init__(self, providers: Sequence[stt.STT[None]]) -> None:
        first = providers[0].capabilities
        every = [provider.capabilities for provider in providers]
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True,
                interim_results=all(each.interim_results for each in every),
                aligned_transcript=first.aligned_transcript
                if all(each.aligned_transcript for each in every)
                else False,
            )
        )
        self.providers = list(providers)
        self.current = 0
        self.backlog = AudioBacklog()
        self.on_unrecognised: Callable[[], None] = lambda: None
        """Called when two tries brought no transcript of the same speech."""
        self.on_left: Callable[[int], None] = lambda _: None
        """Called when the next provider is used in the place of one that has failed, with its index."""
        self._stream: FallbackStream | None = None
        for provider in self.providers:
            provider.on("metrics_collected", self._forward_metrics)

    @property
    def model(self) -> str:
        """The model of the provider in use."""
        return self.providers[self.current].model

    @property
    def provider(self) -> str:
        """The name of the provider in use."""
        return self.providers[self.current].provider

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> FallbackStream:
        """Open a stream for the audio of one call."""
        self._stream = FallbackStream(self, language, conn_options)
        return self._stream

    def speech_started(self) -> None:
        """Take note that the session's VAD detects speech."""
        if self._stream is not None:
            self._stream.speech_started()

    def speech_ended(self) -> None:
        """Take note that the speech has ended, and expect its transcript."""
        if self._stream is not None:
            self._stream.speech_ended()

    def use_next(self) -> None:
        """Use the next provider from now on, after the last one the first."""
        self.on_left(self.current)
        self.current = (self.current + 1) % len(self.providers)

    async def aclose(self) -> None:
        """Close the providers."""
        for provider in self.providers:
            provider.off("metrics_collected", self._forward_metrics)
            await provider.aclose()

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: NotGivenOr[str] = NOT_GIVEN, conn_options: APIConnectOptions
    ) -> stt.SpeechEvent:
        return await self.providers[self.current].recognize(buffer, language=language, conn_options=conn_options)

    def _forward_metrics(self, *metrics: object) -> None:
        self.emit("metrics_collected", *metrics)


class FallbackStream(stt.RecognizeStream):
    """The audio of one call."""

    def __init__(self, fallback_stt: FallbackSTT, language: NotGivenOr[str], conn_options: APIConnectOptions) -> None:
        super().__init__(stt=fallback_stt, conn_options=conn_options)
        self._fallback_stt = fallback_stt
        self._language = language
        self._provider_stream: stt.RecognizeStream | None = None
        self._failed_in_a_row = 0
        self._no_transcript: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._speech_started_at: float | None = None
        self._last_transcript_at = 0.0
        self._retried = False

    def speech_started(self) -> None:
        """See `FallbackSTT`."""
        self._cancel_timer()
        if self._speech_started_at is None:
            self._speech_started_at = time.monotonic()
            self._fallback_stt.backlog.clear(keep_seconds=PRE_SPEECH_SECONDS)

    def speech_ended(self) -> None:
        """See `FallbackSTT`."""
        started_at = self._speech_started_at
        if started_at is not None and time.monotonic() - started_at >= MIN_SPEECH_SECONDS:
            self._start_timer(TRANSCRIPT_TIMEOUT_SECONDS)

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[stt.SpeechEvent]) -> None:
        """Drop the events: the providers' own streams report their usage."""
        async for _ in event_aiter:
            pass

    async def _run(self) -> None:
        feeding = asyncio.create_task(self._feed())
        try:
            while True:
                provider = self._fallback_stt.providers[self._fallback_stt.current]
                started_at = time.monotonic()
                try:
                    await self._use(provider, feeding)
                    return
                except Exception as error:
                    self._fallback_stt.use_next()
                    was_healthy = time.monotonic() - started_at > HEALTHY_SECONDS
                    self._failed_in_a_row = 1 if was_healthy else self._failed_in_a_row + 1
                    if self._failed_in_a_row >= len(self._fallback_stt.providers):
                        self._failed_in_a_row = 0
                        raise _as_api_error(error) from error
        finally:
            await aio.cancel_and_wait(feeding)

    async def _feed(self) -> None:
        async for item in self._input_ch:
            if isinstance(item, rtc.AudioFrame):
                self._fallback_stt.backlog.append(item)
            # A stream that has failed is closed a moment before the next one gets the backlog: nothing is lost.
            with contextlib.suppress(RuntimeError):
                if self._provider_stream is None:
                    continue
                if isinstance(item, rtc.AudioFrame):
                    self._provider_stream.push_frame(item)
                else:
                    self._provider_stream.flush()
        with contextlib.suppress(RuntimeError):
            if self._provider_stream is not None:
                self._provider_stream.end_input()

    async def _use(self, provider: stt.STT[None], feeding: asyncio.Task[None]) -> None:
        """Send the backlog and all later audio to the provider, until the input ends. Raises when it fails."""
        once = APIConnectOptions(max_retry=0, timeout=CONNECT_TIMEOUT_SECONDS)
        self._no_transcript = asyncio.get_running_loop().create_future()
        async with provider.stream(language=self._language, conn_options=once) as stream:
            stream.start_time_offset = self.start_time_offset + time.time() - self._start_time
            for frame in self._fallback_stt.backlog.frames():
                stream.push_frame(frame)
            if feeding.done():
                stream.end_input()
            self._provider_stream = stream
            forwarding = asyncio.create_task(self._forward_events(stream))
            try:
                await asyncio.wait({forwarding, self._no_transcript}, return_when=asyncio.FIRST_COMPLETED)
                if not forwarding.done():
                    raise _no_transcript_error(provider)
                await forwarding
            finally:
                self._provider_stream = None
                await aio.cancel_and_wait(forwarding)

    async def _forward_events(self, stream: stt.RecognizeStream) -> None:
        async for event in stream:
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT and event.alternatives and event.alternatives[0].text:
                self._transcript_received()
                self._end_speech()
            elif event.type in _PARTIAL_TRANSCRIPTS:
                self._transcript_received()
            self._event_ch.send_nowait(event)

    def _transcript_received(self) -> None:
        self._last_transcript_at = time.monotonic()
        self._failed_in_a_row = 0

    def _on_timer(self) -> None:
        self._timer = None
        remaining = self._last_transcript_at + TRANSCRIPT_TIMEOUT_SECONDS - time.monotonic()
        if remaining > 0:
            self._start_timer(remaining)
        elif self._retried:
            # No transcript twice, from two providers if there are two: noise, or all are failing. Do not try again.
            self._end_speech()
            self._fallback_stt.on_unrecognised()
        elif self._no_transcript is not None and not self._no_transcript.done():
            self._retried = True
            self._no_transcript.set_result(None)
            self._start_timer(CONNECT_TIMEOUT_SECONDS + TRANSCRIPT_TIMEOUT_SECONDS)

    def _end_speech(self) -> None:
        self._cancel_timer()
        self._fallback_stt.backlog.clear()
        self._speech_started_at = None
        self._retried = False

    def _start_timer(self, seconds: float) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _no_transcript_error(provider: stt.STT[None]) -> APIError:
    """Return the error of a provider that sends no transcript, and report it as the provider's own."""
    error = APITimeoutError(f"no transcript of speech that ended {TRANSCRIPT_TIMEOUT_SECONDS} s ago")
    # A provider's stream reports the errors that it raises. Here it raised none.
    report = stt.STTError(timestamp=time.time(), label=provider.label, error=error, recoverable=True)
    provider.emit("error", report)
    return error


def _as_api_error(error: Exception) -> APIError:
    """Return an error that the session retries; after any other it would end the STT for the rest of the call."""
    return error if isinstance(error, APIError) else APIConnectionError(type(error).__name__)
