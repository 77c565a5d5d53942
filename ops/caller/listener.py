"""The agent's audio, as the caller hears it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
from livekit import rtc

from ops.caller.errors import CallEnded, NoAnswer
from ops.caller.milestones import Clock, Milestone, Milestones
from ops.caller.recording import Channel, Interval, Samples, is_audible

FRAME_MS = 10
"""The length that WebRTC plays at a time. With longer frames a soft beginning is noticed late: a `Hello` by 15 ms with
frames of 20 ms."""


class Listener:
    """The audio of the agent's tracks, one after another if the agent is replaced. All of it is kept.

    Waiting is driven by frames, of `frame_ms` each: silence means that audio came and that nothing was to be heard in
    it.
    """

    def __init__(self, rate: int, clock: Clock, milestones: Milestones, *, frame_ms: int = FRAME_MS) -> None:
        self.rate = rate
        self.frame_ms = frame_ms
        self.channels: list[Channel] = []
        self._clock = clock
        self._milestones = milestones
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._frame_came = asyncio.Event()
        self._last_sound = float("-inf")
        self._silent_samples = 0
        self._call_ended = False

    def listen(self, track: rtc.Track, speaker: str = "") -> None:
        """Record this track from now on, until it ends, on a channel of its own with the speaker's identity."""
        channel = Channel(self.rate, speaker)
        self.channels.append(channel)
        stream = rtc.AudioStream(track, sample_rate=self.rate, num_channels=1, frame_size_ms=self.frame_ms)
        self._tasks[track.sid] = asyncio.create_task(self._record(stream, channel), name="listener")

    def stop_listening(self, track: rtc.Track) -> None:
        """Stop recording a track that has ended. Its stream has not: WebRTC uses it again for the next track."""
        if track.sid in self._tasks:
            self._tasks[track.sid].cancel()

    async def wait_for_sound(self, since: float, timeout_seconds: float) -> None:
        """Wait for a sound later than `since`, in seconds since the call began. Raises NoAnswer or CallEnded."""
        await self._wait_until("the agent to speak", lambda: self._last_sound > since, timeout_seconds)

    def onset(self, since: float) -> float:
        """Return the time of the first sound later than `since`, to 10 ms whatever `frame_ms` is; inf if none."""
        return min((channel.onset(since) for channel in self.channels), default=float("inf"))

    async def wait_for_silence(self, seconds: float, timeout_seconds: float) -> None:
        """Wait until the agent has been silent for `seconds`. Raises NoAnswer or CallEnded."""
        await self._wait_until("the agent to be silent", lambda: self.is_silent(seconds), timeout_seconds)

    def is_silent(self, seconds: float) -> bool:
        """Return whether nothing was to be heard in the last `seconds` of audio that came."""
        return self._silent_samples >= seconds * self.rate

    def render(self, seconds: float) -> Samples:
        """Return all audio of the agent from the beginning of the call."""
        whole = np.zeros(round(seconds * self.rate), dtype=np.int32)
        for channel in self.channels:
            whole += channel.render(seconds)
        return whole.clip(-32768, 32767).astype(np.int16)

    def audible_intervals(self, gap: float) -> list[Interval]:
        """Return the intervals in which an agent was to be heard; `gap` as in `Channel.audible_intervals`."""
        return sorted(interval for channel in self.channels for interval in channel.audible_intervals(gap))

    async def aclose(self) -> None:
        """Stop listening. All waiting ends with CallEnded."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())
        self.hang_up()

    def hang_up(self) -> None:
        """Note that the call is over. All waiting ends with CallEnded."""
        self._call_ended = True
        self._wake()

    async def _record(self, stream: rtc.AudioStream, channel: Channel) -> None:
        try:
            async for event in stream:
                self._add_frame(np.frombuffer(event.frame.data, dtype=np.int16).copy(), channel)
        finally:
            await stream.aclose()

    def _add_frame(self, frame: Samples, channel: Channel) -> None:
        now, length = self._clock.now(), len(frame) / self.rate
        # A frame comes when its last sample is over.
        channel.put(now - length, frame)
        self._milestones.mark(Milestone.FIRST_FRAME)
        if is_audible(frame):
            self._milestones.mark(Milestone.FIRST_SOUND)
            self._last_sound, self._silent_samples = now, 0
        else:
            self._silent_samples += len(frame)
        self._wake()

    def _wake(self) -> None:
        woken, self._frame_came = self._frame_came, asyncio.Event()
        woken.set()

    async def _wait_until(self, what: str, condition: Callable[[], bool], timeout_seconds: float) -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                while not condition():
                    if self._call_ended:
                        raise CallEnded(what=what)
                    await self._frame_came.wait()
        except TimeoutError:
            raise NoAnswer(what=what, seconds=timeout_seconds) from None
