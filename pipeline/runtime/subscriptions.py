"""The subscriptions to callers' audio: one that never comes is asked for again.

The server announces a caller's track on one connection and sends it on another. A client that meets the two in an
unlucky order, as on a slow network or host, drops the track ("received track from an unknown participant", or no
publication within 5 s), and nothing brings it again: the agent sees its caller, speaks, and does not hear. Others have
met it, too: livekit/agents#2157, livekit/livekit#162. The server sends the track anew to a client that unsubscribes
and subscribes again.
"""

from __future__ import annotations

import asyncio
import logging

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext

from pipeline.presence import is_caller

MISSING_SECONDS = 4.0
"""The time in which the track arrives that was announced: some 100 ms, and a second or two on a busy host."""
PAUSE_SECONDS = 1.0
"""The time between the two requests. The server makes nothing of a change that is taken back at once."""
MOST_RENEWALS = 3

logger = logging.getLogger("switchboard.pipeline.call")


class Subscriptions:
    """Watch over a job's subscriptions to the audio of callers, from before its agent joins the room.

    Nothing is done for an agent that subscribes to audio itself, by the `auto_subscribe` of its `ctx.connect()`.
    """

    def __init__(self, ctx: JobContext) -> None:
        self._room = ctx.room
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._renewing: set[str] = set()
        self._automatic = False
        self._joined = False
        self._note_options(ctx)
        self._room.on("connection_state_changed", self._on_connection)
        self._room.on("track_published", self._expect)
        self._room.on("track_subscribed", self._on_track)

    def close(self) -> None:
        """Stop watching."""
        self._room.off("connection_state_changed", self._on_connection)
        self._room.off("track_published", self._expect)
        self._room.off("track_subscribed", self._on_track)
        for timer in self._timers.values():
            timer.cancel()

    def _note_options(self, ctx: JobContext) -> None:
        connect = ctx.connect

        async def noted(*, auto_subscribe: AutoSubscribe = AutoSubscribe.SUBSCRIBE_ALL, **options: object) -> None:
            if not self._room.isconnected():
                self._automatic = auto_subscribe in {AutoSubscribe.SUBSCRIBE_ALL, AutoSubscribe.AUDIO_ONLY}
            await connect(auto_subscribe=auto_subscribe, **options)  # type: ignore[arg-type]

        vars(ctx)["connect"] = noted

    def _on_connection(self, *_: object) -> None:
        if self._joined or not self._room.isconnected():
            return
        self._joined = True
        for participant in self._room.remote_participants.values():
            for publication in participant.track_publications.values():
                self._expect(publication, participant)

    def _expect(self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> None:
        is_expected = publication.track is None and publication.sid not in self._timers
        if self._automatic and is_expected and publication.kind == rtc.TrackKind.KIND_AUDIO and is_caller(participant):
            self._look_later(participant.identity, publication.sid, renewals=0)

    def _on_track(self, _: rtc.Track, publication: rtc.RemoteTrackPublication, *__: object) -> None:
        # The agent may unsubscribe from now on. A track that comes between our two requests does not stay.
        if publication.sid in self._timers and publication.sid not in self._renewing:
            self._timers.pop(publication.sid).cancel()

    def _look_later(self, identity: str, sid: str, *, renewals: int) -> None:
        self._timers[sid] = self._loop.call_later(MISSING_SECONDS, self._look, identity, sid, renewals)

    def _look(self, identity: str, sid: str, renewals: int) -> None:
        del self._timers[sid]
        publication = self._published(identity, sid)
        if publication is None or publication.track is not None:
            return
        if not self._room.isconnected():
            self._look_later(identity, sid, renewals=renewals)
        elif renewals < MOST_RENEWALS:
            logger.warning("a caller's audio was announced and has not come; subscribed to again", extra={"track": sid})
            self._renewing.add(sid)
            publication.set_subscribed(False)
            self._timers[sid] = self._loop.call_later(PAUSE_SECONDS, self._subscribe, identity, sid, renewals)
        else:
            logger.error("a caller's audio does not come: the agent does not hear this caller", extra={"track": sid})

    def _subscribe(self, identity: str, sid: str, renewals: int) -> None:
        del self._timers[sid]
        self._renewing.discard(sid)
        if (publication := self._published(identity, sid)) is not None:
            publication.set_subscribed(True)
            self._look_later(identity, sid, renewals=renewals + 1)

    def _published(self, identity: str, sid: str) -> rtc.RemoteTrackPublication | None:
        participant = self._room.remote_participants.get(identity)
        return None if participant is None else participant.track_publications.get(sid)
