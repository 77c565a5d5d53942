"""The caller's microphone: it is on for the whole call, and silent while nothing is said."""

from __future__ import annotations

import asyncio
from collections import deque

import numpy as np
from livekit import rtc

from ops.caller.clock import Clock
from ops.caller.recording import Channel, Samples, Stretch

FRAME_SECONDS = 0.04
SPEECH_AHEAD_SECONDS = 0.4
"""How much speech is queued: for so long the event loop may be busy with something else and no word breaks off."""
QUEUE_MS = 1000


class Microphone:
    """Feeds an audio source in real time and keeps what it fed, at the time at which it was to be heard.

    `silence_seconds`: so much silence is fed at a time, and a sentence has to wait for it.
    """

    def __init__(self, rate: int, clock: Clock, *, silence_seconds: float = FRAME_SECONDS) -> None:
        self.channel = Channel(rate)
        self._clock = clock
        self._frame = round(rate * FRAME_SECONDS)
        self._silence_seconds = silence_seconds
        self._source = rtc.AudioSource(rate, 1, queue_size_ms=QUEUE_MS)
        self._waiting: deque[tuple[Samples, asyncio.Future[float]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._on = True

    async def publish(self, participant: rtc.LocalParticipant) -> None:
        """Switch it on, as the participant's microphone."""
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await participant.publish_track(track, options)
        self._task = asyncio.create_task(self._feed(), name="microphone")

    async def play(self, samples: Samples) -> Stretch:
        """Speak; returns when the last of it was heard, and says when it was, in seconds since the call began."""
        loop = asyncio.get_running_loop()
        frames = [samples[first : first + self._frame] for first in range(0, len(samples), self._frame)]
        begun: list[asyncio.Future[float]] = [loop.create_future() for _ in frames]
        self._waiting.extend(zip(frames, begun, strict=True))
        begin, last = await begun[0], await begun[-1]
        end = last + len(frames[-1]) / self.channel.rate
        await asyncio.sleep(max(0.0, end - self._clock.now()))
        return Stretch(begin, end)

    async def aclose(self) -> None:
        """Switch it off."""
        self._on = False
        if self._task:
            # Not cancelled: the library would be left with a frame that nobody waits for.
            await asyncio.wait([self._task])
        await self._source.aclose()

    async def _feed(self) -> None:
        silence = np.zeros(round(self.channel.rate * self._silence_seconds), dtype=np.int16)
        while self._on:
            frame, begun = self._waiting.popleft() if self._waiting else (silence, None)
            at = self._clock.now() + self._source.queued_duration
            self.channel.put(at, frame)
            if begun is not None and not begun.done():
                begun.set_result(at)
            await self._source.capture_frame(rtc.AudioFrame(frame.tobytes(), self.channel.rate, 1, len(frame)))
            ahead = SPEECH_AHEAD_SECONDS if self._waiting else self._silence_seconds
            await asyncio.sleep(max(0.0, self._source.queued_duration - ahead))
