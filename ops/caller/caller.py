"""A caller: a participant that speaks, listens and records."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Self

import numpy as np
from livekit import api, rtc
from livekit.rtc.participant import PublishTrackError

from ops.caller.errors import NoAnswer
from ops.caller.listener import FRAME_MS, Listener
from ops.caller.microphone import FRAME_SECONDS, Microphone
from ops.caller.milestones import Clock, Milestone, Milestones
from ops.caller.recording import Interval, Samples
from ops.caller.transcript import Line, Transcript

RATE = 16000
"""Samples a second of everything that is spoken, heard and recorded: the rate of speech recognition."""

DEFAULT = (FRAME_SECONDS, FRAME_MS)
LOW_CPU = (0.1, 60)
"""Length of a frame of silence that is sent, in seconds, and of a frame of sound that is received, in ms."""

ANSWER_SECONDS = 10.0
"""The time for the server to take the caller's audio and to tell the session id of the room."""
LEAVE_SECONDS = 10.0


def caller_token(api_key: str, api_secret: str, *, room: str, identity: str, hours: float = 1.0) -> str:
    """Return a token to join `room` as `identity`. The first participant creates the room."""
    return (
        api.AccessToken(api_key, api_secret)
        .with_identity(identity)
        .with_name(identity)
        .with_grants(api.VideoGrants(room_join=True, room=room))
        .with_ttl(timedelta(hours=hours))
        .to_jwt()
    )


async def _finish_connecting(connect: Coroutine[None, None, None]) -> None:
    """Connect, and when cancelled, wait for the end of connecting first.

    livekit's client ends its process 15 s after it has connected if the caller of `connect` was cancelled.
    """
    connecting = asyncio.ensure_future(connect)
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        with suppress(rtc.ConnectError):
            await connecting
        raise


def is_agent(participant: rtc.RemoteParticipant) -> bool:
    """Return whether this participant joined with an agent's token."""
    return participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


class Caller:
    """One participant in one room. Times are seconds since it began to connect, unless they say otherwise.

    `low_cpu`: for many callers in one process. A caller then needs two thirds of the CPU, and what waits for a sound
    notices it up to 60 ms late. What was recorded is still exact to 10 ms.
    """

    def __init__(
        self, on_milestone: Callable[[Milestone], None], on_line: Callable[[Line], None], *, low_cpu: bool = False
    ) -> None:
        silence_seconds, frame_ms = LOW_CPU if low_cpu else DEFAULT
        self.clock = Clock()
        self.milestones = Milestones(self.clock, on_milestone)
        self.transcript = Transcript(self.clock, on_line)
        self.listener = Listener(RATE, self.clock, self.milestones, frame_ms=frame_ms)
        self.room = rtc.Room()
        self.room_sid = ""
        self._microphone = Microphone(RATE, self.clock, silence_seconds=silence_seconds)
        self._agent_joined = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def call(
        cls,
        url: str,
        token: str,
        *,
        on_milestone: Callable[[Milestone], None] = lambda _: None,
        on_line: Callable[[Line], None] = lambda _: None,
        low_cpu: bool = False,
    ) -> AsyncIterator[Self]:
        """Join the token's room with the microphone on, and leave it at the end. Raises rtc.ConnectError."""
        caller = cls(on_milestone, on_line, low_cpu=low_cpu)
        async with AsyncExitStack() as leaving:
            leaving.push_async_callback(caller.transcript.aclose)
            leaving.push_async_callback(caller.listener.aclose)
            leaving.push_async_callback(caller._leave)
            leaving.push_async_callback(caller._microphone.aclose)
            await caller._connect(url, token)
            yield caller

    async def wait_for_agent(self, timeout_seconds: float) -> None:
        """Wait until an agent is in the room. Raises NoAnswer."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._agent_joined.wait()
        except TimeoutError:
            raise NoAnswer(what="an agent to join", seconds=timeout_seconds) from None

    async def say(self, samples: Samples) -> Interval:
        """Speak 16 kHz samples, wait until they have been heard, and return when that was."""
        return await self._microphone.play(samples)

    async def wait_for_answer(self, since: float, *, quiet_seconds: float, timeout_seconds: float) -> None:
        """Wait until the agent has spoken after `since`, and then has been silent for `quiet_seconds`.

        Raises NoAnswer or CallEnded.
        """
        await self.listener.wait_for_sound(since, timeout_seconds)
        await self.listener.wait_for_silence(quiet_seconds, timeout_seconds)

    def audio_of(self, interval: Interval, margin: float = 0.1) -> Samples:
        """Return the agent's audio of an interval, with `margin` seconds on both sides."""
        whole = self.listener.render(interval.end + margin)
        return whole[round(max(0.0, interval.begin - margin) * RATE) :]

    def save(self, path: Path) -> None:
        """Write the call so far, from the begin of connecting, as a stereo WAV: left the caller, right the agent."""
        seconds = self.clock.now()
        both = np.column_stack([self._microphone.channel.render(seconds), self.listener.render(seconds)])
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(both.astype("<i2").tobytes())

    async def _connect(self, url: str, token: str) -> None:
        self.room.on("participant_connected", self._on_participant)
        self.room.on("track_subscribed", self._on_track)
        self.room.on("track_unsubscribed", lambda track, *_: self.listener.stop_listening(track))
        self.room.on("disconnected", self._on_disconnected)
        self.transcript.follow(self.room)
        await _finish_connecting(self.room.connect(url, token))
        self.milestones.mark(Milestone.CONNECTED)
        for participant in self.room.remote_participants.values():
            self._on_participant(participant)
        try:
            # livekit's client waits for ever for the answer if the room ends before it comes.
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._microphone.publish(self.room.local_participant)
                self.room_sid = await self.room.sid
        except (PublishTrackError, TimeoutError) as error:
            # A server that stops right after it has let the caller in.
            raise rtc.ConnectError(f"the server let the caller in, and then did not answer: {error}") from error

    async def _leave(self) -> None:
        # livekit's client waits for its own events, which may have stopped with a publication that was cancelled:
        # livekit/python-sdks#827.
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.room.disconnect()

    def _on_participant(self, participant: rtc.RemoteParticipant) -> None:
        if is_agent(participant):
            self.milestones.mark(Milestone.AGENT_JOINED)
            self._agent_joined.set()

    def _on_track(
        self, track: rtc.Track, _publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if is_agent(participant) and track.kind == rtc.TrackKind.KIND_AUDIO:
            self._on_participant(participant)
            self.milestones.mark(Milestone.SUBSCRIBED)
            self.listener.listen(track, participant.identity)

    def _on_disconnected(self, _reason: object) -> None:
        self.listener.hang_up()
