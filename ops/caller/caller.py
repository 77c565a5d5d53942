"""A caller: a participant that speaks, listens, and keeps what it heard."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Self

import numpy as np
from livekit import rtc

from ops.caller.clock import Clock
from ops.caller.errors import NoAnswer
from ops.caller.listener import FRAME_MS, Ear
from ops.caller.microphone import FRAME_SECONDS, Microphone
from ops.caller.milestones import Moment, Moments
from ops.caller.recording import Samples, Stretch
from ops.caller.transcript import Line, Transcript

RATE = 16000
"""Samples a second, of the recording and of everything spoken and heard: what speech recognition takes."""

USUAL = (FRAME_SECONDS, FRAME_MS)
THRIFTY = (0.1, 60)
"""How much silence it sends at a time, in seconds, and how much sound it hears at a time, in ms."""


async def _whole(connect: Coroutine[None, None, None]) -> None:
    """Connect; when cancelled, not before that has ended.

    livekit's client ends its process 15 s after it has connected for somebody who does not wait for it any more.
    """
    connecting = asyncio.ensure_future(connect)
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        with suppress(rtc.ConnectError):
            await connecting
        raise


def is_agent(participant: rtc.RemoteParticipant) -> bool:
    """Whether this participant came with an agent's token."""
    return participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


class Caller:
    """One participant in one room. Times are seconds since it began to connect, unless they say otherwise.

    `thrifty`: for many of them in one process. It needs half of the CPU, and knows when it heard what to 60 ms, not 10.
    """

    def __init__(
        self, on_moment: Callable[[Moment], None], on_line: Callable[[Line], None], *, thrifty: bool = False
    ) -> None:
        silence_seconds, frame_ms = THRIFTY if thrifty else USUAL
        self.clock = Clock()
        self.moments = Moments(self.clock, on_moment)
        self.transcript = Transcript(self.clock, on_line)
        self.ear = Ear(RATE, self.clock, self.moments, frame_ms=frame_ms)
        self.room = rtc.Room()
        self.room_sid = ""
        self._microphone = Microphone(RATE, self.clock, silence_seconds=silence_seconds)
        self._agent_there = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def call(
        cls,
        url: str,
        token: str,
        *,
        on_moment: Callable[[Moment], None] = lambda _: None,
        on_line: Callable[[Line], None] = lambda _: None,
        thrifty: bool = False,
    ) -> AsyncIterator[Self]:
        """Join the token's room with the microphone on; on the way out, leave it. Raises rtc.ConnectError."""
        caller = cls(on_moment, on_line, thrifty=thrifty)
        async with AsyncExitStack() as leaving:
            leaving.push_async_callback(caller.transcript.aclose)
            leaving.push_async_callback(caller.ear.aclose)
            leaving.push_async_callback(caller.room.disconnect)
            leaving.push_async_callback(caller._microphone.aclose)
            await caller._connect(url, token)
            yield caller

    async def agent(self, timeout_seconds: float) -> None:
        """Wait until an agent is in the room. Raises NoAnswer."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._agent_there.wait()
        except TimeoutError:
            raise NoAnswer(what="an agent to join", seconds=timeout_seconds) from None

    async def say(self, samples: Samples) -> Stretch:
        """Speak 16 kHz samples; returns when they have been heard, and says when that was."""
        return await self._microphone.play(samples)

    async def answer(self, since: float, *, quiet_seconds: float, timeout_seconds: float) -> None:
        """Wait until the agent has spoken after `since`, and then has been silent for `quiet_seconds`.

        Raises NoAnswer, CallEnded.
        """
        await self.ear.sound(since, timeout_seconds)
        await self.ear.silence(quiet_seconds, timeout_seconds)

    def heard(self, stretch: Stretch, margin: float = 0.1) -> Samples:
        """What came from the agent in a stretch of time, with `margin` seconds on both sides."""
        whole = self.ear.render(stretch.end + margin)
        return whole[round(max(0.0, stretch.begin - margin) * RATE) :]

    def save(self, path: Path) -> None:
        """Write the call so far, from the begin of connecting, as a stereo WAV: left the caller, right the agent."""
        seconds = self.clock.now()
        both = np.column_stack([self._microphone.channel.render(seconds), self.ear.render(seconds)])
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(both.astype("<i2").tobytes())

    async def _connect(self, url: str, token: str) -> None:
        self.room.on("participant_connected", self._met)
        self.room.on("track_subscribed", self._subscribed)
        self.room.on("track_unsubscribed", lambda track, *_: self.ear.forget(track))
        self.room.on("disconnected", self._disconnected)
        self.transcript.follow(self.room)
        await _whole(self.room.connect(url, token))
        self.moments.mark(Moment.CONNECTED)
        for participant in self.room.remote_participants.values():
            self._met(participant)
        await self._microphone.publish(self.room.local_participant)
        self.room_sid = await self.room.sid

    def _met(self, participant: rtc.RemoteParticipant) -> None:
        if is_agent(participant):
            self.moments.mark(Moment.AGENT_JOINED)
            self._agent_there.set()

    def _subscribed(
        self, track: rtc.Track, _publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if is_agent(participant) and track.kind == rtc.TrackKind.KIND_AUDIO:
            self._met(participant)
            self.moments.mark(Moment.SUBSCRIBED)
            self.ear.listen(track, participant.identity)

    def _disconnected(self, _reason: object) -> None:
        self.ear.hang_up()
