"""The sessions of a call's agent in the room: the callers they listen to, and what has closed them.

A session's RoomIO listens to one participant. When that one leaves, it either closes the session or waits for the same
identity to come back, and does not hear the others. Here it is given another caller first, so that nobody in the room
talks to an agent that does not listen.

Sessions are found by the handlers that their RoomIO has registered with the room. This is private API of livekit's: its
version is pinned, and tests/integration/pipeline/test_who_is_heard.py fails when it moves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession, CloseEvent, CloseReason, JobContext
from livekit.agents.job import DEFAULT_PARTICIPANT_KINDS
from livekit.agents.types import ATTRIBUTE_PUBLISH_ON_BEHALF
from livekit.agents.utils import is_given
from livekit.agents.voice.room_io import RoomIO

from pipeline.errors import PipelineError, SessionClosed, SessionFailed
from pipeline.failure_log import in_one_line
from pipeline.presence import callers

Session = AgentSession[Any]

_EVENTS: tuple[rtc.room.EventTypes, ...] = (
    "connection_state_changed",
    "local_track_published",
    # Each session changes an attribute of the agent's when its state changes.
    "participant_attributes_changed",
    "participant_connected",
)


class Sessions:
    """Watch over the sessions of a job's agent, from before its entrypoint is called.

    `on_started` is called once with each session. `on_changed` is called when `failure` or `wanted` may have changed.
    `closed_on_purpose`: the agent has closed its last session itself while a caller was there.
    """

    def __init__(
        self, ctx: JobContext, *, on_started: Callable[[Session], None], on_changed: Callable[[], None]
    ) -> None:
        self._ctx = ctx
        self._room = ctx.room
        self._on_started = on_started
        self._on_changed = on_changed
        self._rooms: dict[Session, RoomIO | None] = {}
        self._closed: set[Session] = set()
        self._unlinked: set[RoomIO] = set()
        self._close: CloseEvent | None = None
        self._closed_room: RoomIO | None = None
        self.closed_on_purpose = False
        for event in _EVENTS:
            self._room.on(event, self._update)
        # Before each RoomIO's own handler, which closes its session.
        self._room.on("participant_disconnected", self._on_left)

    @property
    def failure(self) -> PipelineError | None:
        """The reason why no session listens any more, unless the agent has closed them itself."""
        return None if self._alive() else self._fault()

    @property
    def wanted(self) -> bool:
        """True if a caller is there to which the last session, which has closed, would listen."""
        return any(self._serves(self._closed_room, caller) for caller in callers(self._room))

    def close(self) -> None:
        """Stop watching."""
        for event in _EVENTS:
            self._room.off(event, self._update)
        self._room.off("participant_disconnected", self._on_left)

    def _update(self, *_: object) -> None:
        self._find()
        self._link()
        self._on_changed()

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        self._find()
        for room_io in self._live():
            linked = room_io.linked_participant
            if linked is not None and linked.identity == participant.identity:
                self._unlinked.add(room_io)
        self._link()

    def _find(self) -> None:
        """Find sessions that have started since."""
        handlers = self._room._events.get("participant_disconnected", {})
        for handler in list(handlers):
            room_io = getattr(handler, "__self__", None)
            if isinstance(room_io, RoomIO):
                self._add(room_io._agent_session, room_io)
        primary = self._ctx._primary_agent_session
        if primary is not None and primary not in self._rooms:
            self._add(primary, None)

    def _add(self, session: Session, room_io: RoomIO | None) -> None:
        is_new = session not in self._rooms
        if is_new or self._rooms[session] is not room_io:
            # A session that has closed may have been started again.
            self._rooms[session] = room_io
            self._closed.discard(session)
            self.closed_on_purpose = False
        if is_new:
            session.on("close", lambda event: self._on_close(session, event))
            self._on_started(session)

    def _on_close(self, session: Session, event: CloseEvent) -> None:
        self._closed.add(session)
        self._close = event
        self._closed_room = self._rooms[session]
        self.closed_on_purpose = not self._alive() and self._fault() is None and bool(callers(self._room))
        self._on_changed()

    def _alive(self) -> bool:
        return any(session not in self._closed for session in self._rooms)

    def _live(self) -> list[RoomIO]:
        return [
            room_io for session, room_io in self._rooms.items() if session not in self._closed and room_io is not None
        ]

    def _fault(self) -> PipelineError | None:
        if self._close is None:
            return None
        if self._close.reason is CloseReason.ERROR:
            return SessionFailed(error=in_one_line(self._close.error))
        return SessionClosed() if self._close.reason is CloseReason.PARTICIPANT_DISCONNECTED else None

    def _link(self) -> None:
        """Link each RoomIO whose participant has left to a caller to which none listens."""
        live = self._live()
        self._unlinked.intersection_update(live)
        for room_io in list(self._unlinked):
            if self._linked_to(room_io) is not None:
                self._unlinked.discard(room_io)
                continue
            taken = {self._linked_to(other) for other in live}
            for caller in callers(self._room):
                if caller.identity not in taken and self._serves(room_io, caller):
                    room_io.set_participant(caller.identity)
                    self._unlinked.discard(room_io)
                    break

    def _linked_to(self, room_io: RoomIO) -> str | None:
        linked = room_io.linked_participant
        return None if linked is None or linked.identity not in self._room.remote_participants else linked.identity

    def _serves(self, room_io: RoomIO | None, caller: rtc.RemoteParticipant) -> bool:
        """Tell whether the agent wants this RoomIO to listen to a caller like this."""
        if room_io is None:
            return True
        options = room_io._options
        if is_given(options.participant_identity) and options.participant_identity != caller.identity:
            return False
        on_behalf = caller.attributes.get(ATTRIBUTE_PUBLISH_ON_BEHALF)
        kinds = options.participant_kinds or DEFAULT_PARTICIPANT_KINDS
        return caller.kind in kinds and on_behalf != self._room.local_participant.identity
