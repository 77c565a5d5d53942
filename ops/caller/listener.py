"""What the caller hears of the agent, while it hears it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
from livekit import rtc

from ops.caller.clock import Clock
from ops.caller.errors import CallEnded, NoAnswer
from ops.caller.milestones import Moment, Moments
from ops.caller.recording import Channel, Samples, Stretch, is_audible

FRAME_MS = 10
"""What WebRTC plays at a time. Of more, a soft beginning is only a part: in 20 ms a `Hello` was noticed 15 ms later."""


class Ear:
    """Listens to the agent's tracks, one after another if the agent is replaced, and keeps all it hears.

    Whoever waits here is woken by frames, of `frame_ms` each, so silence means that audio came and had nothing in it.
    """

    def __init__(self, rate: int, clock: Clock, moments: Moments, *, frame_ms: int = FRAME_MS) -> None:
        self.rate = rate
        self.frame_ms = frame_ms
        self.channels: list[Channel] = []
        self._clock = clock
        self._moments = moments
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._frame_came = asyncio.Event()
        self._last_sound = float("-inf")
        self._silent_samples = 0
        self._over = False

    def listen(self, track: rtc.Track, speaker: str = "") -> None:
        """Hear this track from now on, until it ends, on a channel of its own that bears the speaker's identity."""
        channel = Channel(self.rate, speaker)
        self.channels.append(channel)
        stream = rtc.AudioStream(track, sample_rate=self.rate, num_channels=1, frame_size_ms=self.frame_ms)
        self._tasks[track.sid] = asyncio.create_task(self._hear(stream, channel), name="ear")

    def forget(self, track: rtc.Track) -> None:
        """This track has ended. Its stream has not: WebRTC uses it again, for the track that comes next."""
        if track.sid in self._tasks:
            self._tasks[track.sid].cancel()

    async def sound(self, since: float, timeout_seconds: float) -> None:
        """Wait for a sound later than `since`, in seconds since the call began. Raises NoAnswer, CallEnded."""
        await self._until("the agent to speak", lambda: self._last_sound > since, timeout_seconds)

    async def silence(self, seconds: float, timeout_seconds: float) -> None:
        """Wait until the agent has been silent for `seconds`. Raises NoAnswer, CallEnded."""
        await self._until(
            "the agent to be silent", lambda: self._silent_samples >= seconds * self.rate, timeout_seconds
        )

    def render(self, seconds: float) -> Samples:
        """All that was heard, from the beginning of the call."""
        whole = np.zeros(round(seconds * self.rate), dtype=np.int32)
        for channel in self.channels:
            whole += channel.render(seconds)
        return whole.clip(-32768, 32767).astype(np.int16)

    def stretches(self, gap: float) -> list[Stretch]:
        """When the agent was to be heard, in seconds since the call began; `gap` as in `Channel.stretches`."""
        return sorted(stretch for channel in self.channels for stretch in channel.stretches(gap))

    async def aclose(self) -> None:
        """Stop listening, and disappoint whoever waits."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())
        self.hang_up()

    def hang_up(self) -> None:
        """The call is over: whoever waits is told so."""
        self._over = True
        self._wake()

    async def _hear(self, stream: rtc.AudioStream, channel: Channel) -> None:
        try:
            async for event in stream:
                self._take(np.frombuffer(event.frame.data, dtype=np.int16).copy(), channel)
        finally:
            await stream.aclose()

    def _take(self, frame: Samples, channel: Channel) -> None:
        now, length = self._clock.now(), len(frame) / self.rate
        # A frame comes when it is over.
        channel.put(now - length, frame)
        self._moments.mark(Moment.FIRST_FRAME)
        if is_audible(frame):
            self._moments.mark(Moment.FIRST_SOUND)
            self._last_sound, self._silent_samples = now, 0
        else:
            self._silent_samples += len(frame)
        self._wake()

    def _wake(self) -> None:
        woken, self._frame_came = self._frame_came, asyncio.Event()
        woken.set()

    async def _until(self, what: str, condition: Callable[[], bool], timeout_seconds: float) -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                while not condition():
                    if self._over:
                        raise CallEnded(what=what)
                    await self._frame_came.wait()
        except TimeoutError:
            raise NoAnswer(what=what, seconds=timeout_seconds) from None
