"""A microphone and a loudspeaker for an AgentSession without a room, in real time."""

from __future__ import annotations

import asyncio
import time

from livekit import rtc
from livekit.agents.voice import io

from pipeline.providers.local.sphinx import SAMPLE_RATE
from tests.integration.pipeline.providers.live import FRAME_MS, frames
from tests.support.speech import silence


class Microphone(io.AudioInput):
    """Plays what is said into the session, frame by frame, and silence otherwise."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._queue: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()
        self._next = 0.0

    def say(self, pcm: bytes) -> None:
        """Queue speech (16-bit mono at SAMPLE_RATE)."""
        for frame in frames(pcm):
            self._queue.put_nowait(frame)

    async def __anext__(self) -> rtc.AudioFrame:
        now = time.monotonic()
        self._next = max(self._next, now) + FRAME_MS / 1000
        await asyncio.sleep(max(0.0, self._next - now))
        if self._queue.empty():
            return next(frames(silence(FRAME_MS / 1000)))
        return self._queue.get_nowait()


class Loudspeaker(io.AudioOutput):
    """Plays the session's speech, and records each segment and how long it was played."""

    def __init__(self) -> None:
        super().__init__(
            label="loudspeaker", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=SAMPLE_RATE
        )
        self.segments: list[bytes] = []
        self.played_seconds: list[float] = []
        self._began = 0.0
        self._end: asyncio.TimerHandle | None = None
        self._open = False

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Add a frame to the segment."""
        await super().capture_frame(frame)
        if not self._open:
            self._open = True
            self._began = time.time()
            self.segments.append(b"")
            self.on_playback_started(created_at=self._began)
        self.segments[-1] += frame.data.tobytes()

    def flush(self) -> None:
        """End the segment, which is over when its frames are played."""
        super().flush()
        if self._open and self._end is None:
            remaining = self._length() - (time.time() - self._began)
            self._end = asyncio.get_running_loop().call_later(max(0.0, remaining), self._finish, self._length())

    def clear_buffer(self) -> None:
        """Stop playing now."""
        if self._open:
            if self._end is not None:
                self._end.cancel()
            self._finish(min(self._length(), time.time() - self._began), interrupted=True)

    def _length(self) -> float:
        return len(self.segments[-1]) / 2 / SAMPLE_RATE

    def _finish(self, position: float, *, interrupted: bool = False) -> None:
        self._open, self._end = False, None
        self.played_seconds.append(position)
        self.on_playback_finished(playback_position=position, interrupted=interrupted)
