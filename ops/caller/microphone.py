"""The caller's microphone: published for the whole call, and silent between sentences."""

from __future__ import annotations

import asyncio
from collections import deque

import numpy as np
from livekit import rtc

from ops.caller.milestones import Clock
from ops.caller.recording import Channel, Interval, Samples

FRAME_SECONDS = 0.04
SPEECH_AHEAD_SECONDS = 0.4
"""Length of speech that is queued ahead: for so long the event loop may be busy without a gap in a word."""
QUEUE_MS = 1000


class Microphone:
    """An audio source, fed in real time. It records what it feeds with the time at which it is to be heard.

    `silence_seconds`: length of one frame of silence. A sentence has to wait for its end.
    """

    def __init__(self, rate: int, clock: Clock, *, silence_seconds: float = FRAME_SECONDS) -> None:
        self.channel = Channel(rate)
        self._clock = clock
        self._frame = round(rate * FRAME_SECONDS)
        self._silence_seconds = silence_seconds
        self._source = rtc.AudioSource(rate, 1, queue_size_ms=QUEUE_MS)
        self._queue: deque[tuple[Samples, asyncio.Future[float]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._on = True

    async def publish(self, participant: rtc.LocalParticipant) -> None:
        """Publish the source as the participant's microphone, and start feeding it."""
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await participant.publish_track(track, options)
        self._task = asyncio.create_task(self._feed(), name="microphone")

    async def play(self, samples: Samples) -> Interval:
        """Speak, wait until the last sample was heard, and return when that was, in seconds since the call began."""
        loop = asyncio.get_running_loop()
        frames = [samples[first : first + self._frame] for first in range(0, len(samples), self._frame)]
        begun: list[asyncio.Future[float]] = [loop.create_future() for _ in frames]
        self._queue.extend(zip(frames, begun, strict=True))
        begin, last = await begun[0], await begun[-1]
        end = last + len(frames[-1]) / self.channel.rate
        await asyncio.sleep(max(0.0, end - self._clock.now()))
        return Interval(begin, end)

    async def aclose(self) -> None:
        """Stop feeding, and close the source."""
        self._on = False
        if self._task:
            # Not cancelled: the library would keep a frame that nobody awaits.
            await asyncio.wait([self._task])
        await self._source.aclose()

    async def _feed(self) -> None:
        silence = np.zeros(round(self.channel.rate * self._silence_seconds), dtype=np.int16)
        while self._on:
            frame, begun = self._queue.popleft() if self._queue else (silence, None)
            at = self._clock.now() + self._source.queued_duration
            self.channel.put(at, frame)
            if begun is not None and not begun.done():
                begun.set_result(at)
            await self._source.capture_frame(rtc.AudioFrame(frame.tobytes(), self.channel.rate, 1, len(frame)))
            ahead = SPEECH_AHEAD_SECONDS if self._queue else self._silence_seconds
            await asyncio.sleep(max(0.0, self._source.queued_duration - ahead))
