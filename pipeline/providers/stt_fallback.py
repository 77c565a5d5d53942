"""Several STTs as one: the first that works, and nothing that was said is lost when it stops working.

livekit-agents' adapter of this kind forgets what the failed provider had been told, opens a second connection to it for
the rest of the call, and does not notice one that takes audio and says nothing. So this keeps what nobody has answered
yet, and gives it to whoever is asked next; and whoever leaves speech without a word for too long has failed, too.
A provider that works is kept: one that has failed is asked again when the others have.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence

from livekit import rtc
from livekit.agents import NOT_GIVEN, APIConnectionError, APIConnectOptions, APIError, APITimeoutError, NotGivenOr, stt
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.utils import AudioBuffer, aio

CONNECT_SECONDS = 2.0
"""How long a provider may take to answer at all."""
PATIENCE_SECONDS = 2.0
"""How long speech may be over without a word of it."""
SHORTEST_SPEECH_SECONDS = 0.5
"""A cough has no words in it."""
BEFORE_SPEECH_SECONDS = 1.0
"""How much is kept from before the VAD noticed that somebody speaks."""
KEPT_SECONDS = 15.0
"""Of what nobody has answered, at most."""
WELL_SECONDS = 10.0
"""A provider that has lasted for so long was well."""

_WORDS = (stt.SpeechEventType.INTERIM_TRANSCRIPT, stt.SpeechEventType.PREFLIGHT_TRANSCRIPT)


class Unanswered:
    """The audio that nobody has made words of yet, the newest KEPT_SECONDS of it."""

    def __init__(self) -> None:
        self._frames: deque[rtc.AudioFrame] = deque()
        self._seconds = 0.0

    def keep(self, frame: rtc.AudioFrame) -> None:
        """This came."""
        self._frames.append(frame)
        self._seconds += frame.duration
        while self._seconds > KEPT_SECONDS:
            self._seconds -= self._frames.popleft().duration

    def forget(self, but_seconds: float = 0.0) -> None:
        """All but the newest of it is done with."""
        while self._frames and self._seconds > but_seconds:
            self._seconds -= self._frames.popleft().duration

    def all(self) -> list[rtc.AudioFrame]:
        """Oldest first."""
        return list(self._frames)


class Hearing(stt.STT[None]):
    """Asks the first of `providers`, all of which stream, and the next when it fails."""

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
                keyterms=any(each.keyterms for each in every),
            )
        )
        self.providers = list(providers)
        self.asked = 0
        self.unanswered = Unanswered()
        self.given_up: Callable[[], None] = lambda: None
        """Is called when speech has been told twice and nobody had words for it."""
        self._stream: Listening | None = None
        for provider in self.providers:
            provider.on("metrics_collected", self._pass_on)

    @property
    def model(self) -> str:
        """The model of the provider that is asked now."""
        return self.providers[self.asked].model

    @property
    def provider(self) -> str:
        """The name of the provider that is asked now."""
        return self.providers[self.asked].provider

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> Listening:
        """Listen to one call."""
        self._stream = Listening(self, language, conn_options)
        return self._stream

    def speech_began(self) -> None:
        """The VAD hears somebody."""
        if self._stream is not None:
            self._stream.speech_began()

    def speech_ended(self) -> None:
        """The VAD hears nobody any more: there should be words soon."""
        if self._stream is not None:
            self._stream.speech_ended()

    def next(self) -> None:
        """Ask another provider from now on."""
        self.asked = (self.asked + 1) % len(self.providers)

    async def aclose(self) -> None:
        """Close the providers."""
        for provider in self.providers:
            provider.off("metrics_collected", self._pass_on)
            await provider.aclose()

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: NotGivenOr[str] = NOT_GIVEN, conn_options: APIConnectOptions
    ) -> stt.SpeechEvent:
        return await self.providers[self.asked].recognize(buffer, language=language, conn_options=conn_options)

    def _pass_on(self, *metrics: object) -> None:
        self.emit("metrics_collected", *metrics)

    def _update_session_keyterms(self, keyterms: list[str]) -> None:
        for provider in self.providers:
            provider._update_session_keyterms(keyterms)  # noqa: SLF001 - as livekit-agents' own adapter does


class Listening(stt.RecognizeStream):
    """One call's audio."""

    def __init__(self, hearing: Hearing, language: NotGivenOr[str], conn_options: APIConnectOptions) -> None:
        super().__init__(stt=hearing, conn_options=conn_options)
        self._hearing = hearing
        self._language = language
        self._inner: stt.RecognizeStream | None = None
        self._failed = 0
        self._wordless: asyncio.Future[None] | None = None
        self._due: asyncio.TimerHandle | None = None
        self._began: float | None = None
        self._words_at = 0.0
        self._asked_twice = False

    def speech_began(self) -> None:
        """See `Hearing`."""
        self._cancel()
        if self._began is None:
            self._began = time.monotonic()
            self._hearing.unanswered.forget(but_seconds=BEFORE_SPEECH_SECONDS)

    def speech_ended(self) -> None:
        """See `Hearing`."""
        if self._began is not None and time.monotonic() - self._began >= SHORTEST_SPEECH_SECONDS:
            self._wait(PATIENCE_SECONDS)

    async def _metrics_monitor_task(self, event_aiter: object) -> None:
        """The providers' own streams count what they are used for."""
        async for _ in event_aiter:  # type: ignore[attr-defined]
            pass

    async def _run(self) -> None:
        feeding = asyncio.create_task(self._feed())
        try:
            while True:
                provider = self._hearing.providers[self._hearing.asked]
                began = time.monotonic()
                try:
                    await self._ask(provider, feeding)
                    return
                except Exception as error:
                    self._hearing.next()
                    # One that was well until now does not fail in a row with the one before it.
                    self._failed = 1 if time.monotonic() - began > WELL_SECONDS else self._failed + 1
                    if self._failed >= len(self._hearing.providers):
                        self._failed = 0
                        raise _as_api_error(error) from error
        finally:
            await aio.cancel_and_wait(feeding)

    async def _feed(self) -> None:
        async for item in self._input_ch:
            if isinstance(item, rtc.AudioFrame):
                self._hearing.unanswered.keep(item)
            # One that has failed is closed a moment before the next is asked, who is told what was kept.
            with contextlib.suppress(RuntimeError):
                if self._inner is None:
                    continue
                if isinstance(item, rtc.AudioFrame):
                    self._inner.push_frame(item)
                else:
                    self._inner.flush()
        with contextlib.suppress(RuntimeError):
            if self._inner is not None:
                self._inner.end_input()

    async def _ask(self, provider: stt.STT[None], feeding: asyncio.Task[None]) -> None:
        once = APIConnectOptions(max_retry=0, timeout=CONNECT_SECONDS)
        self._wordless = asyncio.get_running_loop().create_future()
        async with provider.stream(language=self._language, conn_options=once) as inner:
            inner.start_time_offset = self.start_time_offset + time.time() - self._start_time
            for frame in self._hearing.unanswered.all():
                inner.push_frame(frame)
            if feeding.done():
                inner.end_input()
            self._inner = inner
            reading = asyncio.create_task(self._read(inner))
            try:
                await asyncio.wait({reading, self._wordless}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    self._complain(provider)
                await reading
            finally:
                self._inner = None
                await aio.cancel_and_wait(reading)

    async def _read(self, inner: stt.RecognizeStream) -> None:
        async for event in inner:
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT and event.alternatives and event.alternatives[0].text:
                self._words_came()
                self._done()
            elif event.type in _WORDS:
                self._words_came()
            self._event_ch.send_nowait(event)

    def _words_came(self) -> None:
        self._words_at = time.monotonic()
        self._failed = 0

    def _complain(self, provider: stt.STT[None]) -> None:
        error = APITimeoutError(f"no words of what was said {PATIENCE_SECONDS} s ago")
        # A stream tells this of itself. Here it has nothing to tell.
        failure = stt.STTError(timestamp=time.time(), label=provider.label, error=error, recoverable=True)
        provider.emit("error", failure)
        raise error

    def _wait(self, seconds: float) -> None:
        self._cancel()
        self._due = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._due = None
        rest = self._words_at + PATIENCE_SECONDS - time.monotonic()
        if rest > 0:
            self._wait(rest)
        elif self._asked_twice:
            # The second time, by somebody else if there is one: it is noise, or nobody is well. Both pass.
            self._done()
            self._hearing.given_up()
        elif self._wordless is not None and not self._wordless.done():
            self._asked_twice = True
            self._wordless.set_result(None)
            # The next one has as long, once it is there.
            self._wait(CONNECT_SECONDS + PATIENCE_SECONDS)

    def _done(self) -> None:
        self._cancel()
        self._hearing.unanswered.forget()
        self._began = None
        self._asked_twice = False

    def _cancel(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None


def _as_api_error(error: Exception) -> APIError:
    """What a session tolerates a few times; anything else would end the hearing for good."""
    return error if isinstance(error, APIError) else APIConnectionError(type(error).__name__)
