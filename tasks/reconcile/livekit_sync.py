"""Comparison of the LiveKit server's rooms with those in Redis, for webhooks that were lost."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from livekit.protocol import models

from tasks.livekit_api import LiveKitClient, LiveKitError, created_at_ms
from tasks.queue.dispatcher import Dispatching, DispatchResult, RoomInfo
from tasks.queue.routing import called_number
from tasks.reconcile.absent_agents import AbsentAgents
from tasks.reconcile.failures import Failures
from tasks.reconcile.missing_rooms import MissingRooms
from tasks.rooms import EndedBy, Repairs, RoomStore, RoomSummary, State, SweepName
from tasks.settings import LivekitSettings
from tasks.settings.process import now_ms

SWEEP = "LiveKit sync"

logger = logging.getLogger("switchboard.tasks.reconcile")


@dataclass(frozen=True, slots=True)
class LiveKitSyncConfig:
    """Tolerances and bounds of one sweep."""

    deadline_seconds: float = 5.0
    """Deadline of one request to the LiveKit server."""
    announced_ms: int = 2000
    """The webhooks of a room, or of a caller, that is newer may still be on the way."""
    counted_ms: int = 6000
    """The participant count of ListRooms may be out of date by this much: the server counts every 5 s at most."""
    batch: int = 500
    """Rooms that are looked up in Redis at once, so that the receiver's webhooks wait for a few ms only."""
    budget_seconds: float = 2.0
    """A sweep opens no more rooms after this time; the next one continues."""


DEFAULTS = LiveKitSyncConfig()


class LiveKitSync:
    """Opens rooms that were never announced, closes rooms that are gone, and replaces agents that are."""

    def __init__(  # noqa: PLR0913 - the parts of a sync
        self,
        rooms: RoomStore,
        dispatcher: Dispatching,
        livekit: LivekitSettings,
        config: LiveKitSyncConfig = DEFAULTS,
        *,
        max_attempts: int,
        missing: MissingRooms | None = None,
        absent: AbsentAgents | None = None,
        repairs: Repairs | None = None,
    ) -> None:
        self._repairs = Repairs() if repairs is None else repairs
        self._rooms = rooms
        self._dispatcher = dispatcher
        self._livekit = livekit
        self._config = config
        self._failures = Failures()
        self._missing = missing or MissingRooms(rooms, self._failures)
        self._absent = absent or AbsentAgents(rooms, max_attempts, self._failures)
        self._unreachable = False
        self._has_answered = False
        self._last_seen = ""

    @property
    def livekit_is_up(self) -> bool:
        """True if the LiveKit server has answered the last sweep."""
        return self._has_answered and not self._unreachable

    async def sweep(self) -> bool:
        """Compare once. A LiveKit server that is away is logged. Raises what Redis raises.

        Returns whether the next sweep should be soon: a room is unknown, but so new that its webhook may be on the way,
        or an agent is absent.
        """
        asked_ms = now_ms()
        deadline_seconds = self._config.deadline_seconds
        try:
            async with LiveKitClient.from_settings(self._livekit, deadline_seconds=deadline_seconds) as livekit:
                listed = await livekit.list_rooms()
                opened_ms = await self._rooms.opened_ms()
                unknown = [room for room in listed if room.sid not in opened_ms and not self._is_left(room)]
                # Each by itself: a room that cannot be opened must not keep agents from being replaced.
                with self._failures.of_sweep("unannounced rooms"):
                    await self._open(livekit, unknown, asked_ms)
                with self._failures.of_sweep("missing rooms"):
                    closed = await self._missing.close(livekit, {room.sid for room in listed}, opened_ms, asked_ms)
                    self._repairs[SweepName.MISSING_ROOMS] += closed
                with self._failures.of_sweep("absent agents"):
                    self._repairs[SweepName.ABSENT_AGENTS] += await self._absent.replace(livekit, listed)
        except LiveKitError as error:
            if not self._unreachable:
                logger.warning("rooms of the LiveKit server not listed", extra={"problem": str(error)})
            self._unreachable = True
            return False
        self._unreachable = False
        self._has_answered = True
        return self._absent.suspects or any(self._is_new(room, asked_ms) for room in unknown)

    async def _open(self, livekit: LiveKitClient, unknown: Iterable[models.Room], asked_ms: int) -> None:
        """Open the rooms in which a caller may be waiting unanswered, until the budget of time is used up."""
        deadline = time.monotonic() + self._config.budget_seconds
        async for room, reason in self._unanswered(unknown, asked_ms):
            with self._failures.of_room("unannounced rooms", room.sid):
                if callers := await livekit.list_callers(room.name):
                    number = next(filter(None, map(called_number, callers)), None)
                    info = RoomInfo(room.sid, room.name, room.metadata, created_at_ms(room), asked_ms, number)
                    result = await self._dispatcher.open(info)
                    if result not in {DispatchResult.LEFT, DispatchResult.NO_TENANT_YET}:
                        logger.warning(reason, extra={"sid": room.sid, "result": result})
                        self._repairs[SweepName.UNANNOUNCED_ROOMS] += result is not DispatchResult.KNOWN
            self._last_seen = room.sid
            if time.monotonic() > deadline:
                logger.warning("LiveKit sync not finished; the next sweep continues")
                return
        self._last_seen = ""

    async def _unanswered(self, listed: Iterable[models.Room], asked_ms: int) -> AsyncIterator[tuple[models.Room, str]]:
        """Yield rooms in which a caller may be waiting unanswered, each with the log message for that case."""
        # An empty room can be skipped: the next caller's webhook opens it.
        counted_ms = asked_ms - self._config.counted_ms
        candidates = [
            room
            for room in listed
            if not self._is_new(room, asked_ms) and (room.num_participants > 0 or created_at_ms(room) > counted_ms)
        ]
        # Goes on where the last sweep had to stop, so that rooms that are not opened keep no others from their turn.
        candidates.sort(key=lambda room: (room.sid <= self._last_seen, room.sid))
        for first in range(0, len(candidates), self._config.batch):
            batch = candidates[first : first + self._config.batch]
            known = await self._rooms.look_up([room.sid for room in batch])
            for room in batch:
                if room.sid not in known:
                    yield room, "room_started webhook was lost; opening the room"
                elif self._was_left(known[room.sid], asked_ms):
                    yield room, "participant_joined webhook was lost; opening the room again"

    def _was_left(self, room: RoomSummary, asked_ms: int) -> bool:
        """Return whether it ended because nobody was there, long enough ago for the server to have noticed.

        So did one that a list once lacked.
        """
        ended_ms = asked_ms if room.ended_ms is None else room.ended_ms
        left = room.state is State.ENDED and room.ended_by == EndedBy.CALLERS
        return left and ended_ms < asked_ms - self._config.announced_ms

    def _is_left(self, room: models.Room) -> bool:
        return self._dispatcher.is_left(name=room.name, metadata=room.metadata)

    def _is_new(self, room: models.Room, asked_ms: int) -> bool:
        return created_at_ms(room) >= asked_ms - self._config.announced_ms
