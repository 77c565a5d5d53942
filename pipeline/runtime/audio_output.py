"""Where the voice agent speaks: a track that is in the room before the caller is.

livekit-agents' own output publishes its track when a caller has come, who then waits for it. This one is published as
soon as the agent has joined, and otherwise is that output, which is private: its version is pinned, and
tests/acceptance/test_first_word.py fails when it moves.
"""

from __future__ import annotations

import asyncio
import time

import aiohttp
from livekit import api, rtc
from livekit.agents import JobContext
from livekit.agents.voice.room_io import _output

from pipeline.presence import callers, is_caller

SAMPLE_RATE = 24000
LIST_SECONDS = 2.0

ANNOUNCED_AT = "switchboard.announced_at"
"""Where in `ctx.proc.userdata` the moment is at which the room was announced (see `CallOptions`)."""

LISTEN_AFTER_SECONDS = 0.145
"""How long after its room's announcement a track may be subscribed to at the earliest.

livekit-server tells a participant of a new track at once, but of one that is there within 150 ms of its connection
only 150 ms later (`negotiationFrequency` in its pkg/rtc/transport.go): who is there sooner is heard later. The room is
announced some ms after its first caller's connection has begun.
"""
SEEN_SECONDS = 0.02
"""How long after the join a track is published that nobody may subscribe to yet: the agent is to be seen first."""


class Mouth(_output._ParticipantAudioOutput):  # noqa: SLF001 - see above
    """Speaks into the room of `ctx`, from when a caller listens."""

    def __init__(self, ctx: JobContext) -> None:
        super().__init__(
            ctx.room,
            sample_rate=SAMPLE_RATE,
            num_channels=1,
            track_publish_options=rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE),
        )
        self._ctx = ctx
        self._letting_out: asyncio.TimerHandle | None = None
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        try:
            await self._ctx.connect()
        except rtc.ConnectError:
            # The session connects too, and ends the call of it.
            return
        announced_at: float | None = self._ctx.proc.userdata.get(ANNOUNCED_AT)
        if announced_at is not None:
            await self._keep_back(announced_at + LISTEN_AFTER_SECONDS - time.monotonic())
        await self.start()

    async def _keep_back(self, seconds: float) -> None:
        """Let nobody subscribe for so long, while the track is being published."""
        if seconds <= SEEN_SECONDS:
            await asyncio.sleep(seconds)
            return
        self._let_subscribe(allowed=False)
        self._letting_out = asyncio.get_running_loop().call_later(seconds, self._let_subscribe)
        await asyncio.sleep(SEEN_SECONDS)

    def _let_subscribe(self, *, allowed: bool = True) -> None:
        if self._room.isconnected():
            self._room.local_participant.set_track_subscription_permissions(allow_all_participants=allowed)

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take what is to be said next."""
        await super().capture_frame(frame)
        # A text whose sound is all there would otherwise be analysed to its end before its first word is sent.
        await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Stop."""
        self._opening.cancel()
        if self._letting_out is not None:
            self._letting_out.cancel()
        await super().aclose()

    async def _publish_track(self) -> None:
        async with self._lock:
            track = rtc.LocalAudioTrack.create_audio_track(self._track_name, self._audio_source)
            publication = await self._room.local_participant.publish_track(track, self._publish_options)
            self._publication = publication
            await publication.wait_for_subscription()
            if not callers(self._room) and not await self._a_caller_is_listed():
                # A recorder listens, or another agent. Of a caller who comes later no subscription is told, but who is
                # seen has been given the tracks that were there.
                await self._a_caller_is_seen()
            if not self._subscribed_fut.done():
                self._subscribed_fut.set_result(None)

    async def _a_caller_is_listed(self) -> bool:
        """Whether the server knows of a caller. Others are told of one only when its own track is there."""
        request = api.ListParticipantsRequest(room=self._room.name)
        try:
            async with asyncio.timeout(LIST_SECONDS):
                listed = await self._ctx.api.room.list_participants(request)
        except (aiohttp.ClientError, api.TwirpError, TimeoutError, OSError):
            return False
        return any(is_caller(person.kind) for person in listed.participants)

    async def _a_caller_is_seen(self) -> None:
        came = asyncio.Event()

        def look(_: rtc.RemoteParticipant) -> None:
            if callers(self._room):
                came.set()

        self._room.on("participant_connected", look)
        try:
            if not callers(self._room):
                await came.wait()
        finally:
            self._room.off("participant_connected", look)
