"""The voice agent's audio output: a track that is in the room before the caller is.

livekit-agents' own output publishes its track when a caller has come, who then waits for it. This one publishes it as
soon as the agent has joined, and otherwise is that output. It is private API: its version is pinned, and
tests/acceptance/test_first_word.py fails when it moves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp
from livekit import api, rtc
from livekit.agents import AgentSession, JobContext
from livekit.agents.voice.room_io import _output

from pipeline.presence import callers, is_caller
from pipeline.runtime.early_transcript import transcribe

SAMPLE_RATE = 24000
LIST_SECONDS = 2.0

PUBLISH_AFTER_SECONDS = 0.145
"""The earliest time at which the track is published, after its room's announcement.

livekit-server offers a participant a new track at once, but one that is there within 150 ms of the participant's
connection only after these 150 ms (`negotiationFrequency` in its pkg/rtc/transport.go): a track published sooner is
heard later. The room is announced some ms after its first caller's connection has begun.
"""


class EarlyAudioOutput(_output._ParticipantAudioOutput):
    """The audio output of an agent in the room of `ctx`. Its words wait until a caller listens.

    `session`: the one that speaks. `announced_at`: see `CallOptions`. `on_failed` is called with the error for which
    the agent will never be heard.
    """

    def __init__(
        self,
        ctx: JobContext,
        session: AgentSession[Any],
        *,
        announced_at: float | None = None,
        on_failed: Callable[[Exception], None],
    ) -> None:
        super().__init__(
            ctx.room,
            sample_rate=SAMPLE_RATE,
            num_channels=1,
            track_publish_options=rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE),
        )
        self._ctx = ctx
        self._announced_at = announced_at
        self._session = session
        self._on_failed = on_failed
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        try:
            await self._ctx.connect()
        except rtc.ConnectError:
            # The session connects too, and ends the call with the same error.
            return
        if self._announced_at is not None:
            await asyncio.sleep(self._announced_at + PUBLISH_AFTER_SECONDS - time.monotonic())
        try:
            await self.start()
        except Exception as error:  # noqa: BLE001 - the call ends with it, whatever it is
            # Nobody waits for this task: the agent would be silent for as long as its caller bears it. A room that is
            # lost ends the call by itself.
            if self._room.isconnected():
                self._on_failed(error)

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take the next frame of speech."""
        await super().capture_frame(frame)
        # Lets this frame be sent first. livekit-agents would otherwise analyse all of a text whose audio is complete.
        await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Stop the output."""
        self._opening.cancel()
        await super().aclose()

    async def _publish_track(self) -> None:
        async with self._lock:
            track = rtc.LocalAudioTrack.create_audio_track(self._track_name, self._audio_source)
            publication = await self._room.local_participant.publish_track(track, self._publish_options)
            self._publication = publication
            await publication.wait_for_subscription()
            if not callers(self._room) and not await self._caller_is_listed():
                # The subscriber is a recorder or another agent. A later caller's subscription is not signalled; but
                # once a caller is visible, it has been given the tracks that were there.
                await self._wait_for_caller()
            if not self._subscribed_fut.done():
                transcribe(self._session)
                self._subscribed_fut.set_result(None)

    async def _caller_is_listed(self) -> bool:
        """Ask the server for a caller. It announces one to the others only with the caller's own track."""
        request = api.ListParticipantsRequest(room=self._room.name)
        try:
            async with asyncio.timeout(LIST_SECONDS):
                listed = await self._ctx.api.room.list_participants(request)
        except (aiohttp.ClientError, api.TwirpError, TimeoutError, OSError):
            return False
        return any(is_caller(participant) for participant in listed.participants)

    async def _wait_for_caller(self) -> None:
        came = asyncio.Event()

        def on_connected(_: rtc.RemoteParticipant) -> None:
            if callers(self._room):
                came.set()

        self._room.on("participant_connected", on_connected)
        try:
            if not callers(self._room):
                await came.wait()
        finally:
            self._room.off("participant_connected", on_connected)
