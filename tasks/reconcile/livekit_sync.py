"""Comparison of the LiveKit server's rooms with those in Redis, for webhooks that were lost."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from livekit.protocol import models

from tasks.livekit_api import LiveKitClient, LiveKitError, created_at_ms, is_caller
from tasks.queue.dispatcher import Dispatching, DispatchResult, RoomInfo
from tasks.queue.routing import called_number
from tasks.rooms import EndedBy, RoomStore, RoomSummary, State
from tasks.settings import LivekitSettings

logger = logging.getLogger("switchboard.tasks.reconcile")


@dataclass(frozen=True, slots=True)
class LiveKitSyncConfig:
    """Tolerances and bounds of one sweep."""

    deadline_seconds: float = 5.0
    """Deadline of one request to the LiveKit server."""
    announced_ms: int = 2000
    """The webhooks of a room, or of a caller, that is newer may still be on the way."""
    listed_ms: int = 10_000
    """A room that was opened more recently may be missing in the answer of ListRooms."""
    counted_ms: int = 6000
    """The participant count of ListRooms may be out of date by this much: the server counts every 5 s at most."""
    batch: int = 500
    """Rooms that are looked up in Redis at once, so that the receiver's webhooks wait for a few ms only."""
    budget_seconds: float = 2.0
    """A sweep stops after this time, and the next one continues. A tick must not outlast the leader's term."""


DEFAULTS = LiveKitSyncConfig()


class LiveKitSync:
    """Opens rooms that were never announced, and closes rooms that are gone."""

    def __init__(
        self,
        rooms: RoomStore,
        dispatcher: Dispatching,
        livekit: LivekitSettings,
        config: LiveKitSyncConfig = DEFAULTS,
    ) -> None:
        self._rooms = rooms
        self._dispatcher = dispatcher
        self._livekit = livekit
        self._config = config

    async def sweep(self) -> bool:
        """Compare once. A LiveKit server that is away is logged. Raises what Redis raises.

        Returns whether the next sweep should be soon: a room is unknown, but so new that its webhook may be on the way.
        """
        asked_ms = time.time_ns() // 1_000_000
        deadline_seconds = self._config.deadline_seconds
        async with LiveKitClient.from_settings(self._livekit, deadline_seconds=deadline_seconds) as livekit:
            try:
                listed = await livekit.list_rooms()
            except LiveKitError as error:
                logger.warning("rooms of the LiveKit server not listed", extra={"problem": str(error)})
                return False
            open_since_ms = await self._rooms.opened_ms()
            deadline = time.monotonic() + self._config.budget_seconds
            unknown = [room for room in listed if room.sid not in open_since_ms and not self._is_left(room)]
            async for room, reason in self._unanswered(unknown, asked_ms):
                if callers := await _callers(room, livekit):
                    number = next(filter(None, map(called_number, callers)), None)
                    info = RoomInfo(room.sid, room.name, room.metadata, created_at_ms(room), asked_ms, number)
                    result = await self._dispatcher.open(info)
                    if result not in {DispatchResult.LEFT, DispatchResult.NO_TENANT_YET}:
                        logger.warning(reason, extra={"sid": room.sid, "result": result})
                if time.monotonic() > deadline:
                    break
        existing = {room.sid for room in listed}
        listed_ms = asked_ms - self._config.listed_ms
        for sid in [sid for sid, ms in open_since_ms.items() if sid not in existing and ms < listed_ms]:
            logger.warning("room_finished webhook was lost; closing the room", extra={"sid": sid})
            await self._dispatcher.close(sid)
            if time.monotonic() > deadline:
                logger.warning("LiveKit sync not finished; the next sweep continues")
                break
        return any(self._is_new(room, asked_ms) for room in unknown)

    async def _unanswered(self, listed: Iterable[models.Room], asked_ms: int) -> AsyncIterator[tuple[models.Room, str]]:
        """Yield rooms in which a caller may be waiting unanswered, each with the log message for that case."""
        # An empty room can be skipped: the next caller's webhook opens it.
        counted_ms = asked_ms - self._config.counted_ms
        candidates = [
            room
            for room in listed
            if not self._is_new(room, asked_ms) and (room.num_participants > 0 or created_at_ms(room) > counted_ms)
        ]
        for first in range(0, len(candidates), self._config.batch):
            batch = candidates[first : first + self._config.batch]
            known = await self._rooms.look_up([room.sid for room in batch])
            for room in batch:
                if room.sid not in known:
                    yield room, "room_started webhook was lost; opening the room"
                elif self._was_left(known[room.sid], asked_ms):
                    yield room, "participant_joined webhook was lost; opening the room again"

    def _was_left(self, room: RoomSummary, asked_ms: int) -> bool:
        """Return whether the agent left because nobody was there, long enough ago for the server to have noticed."""
        ended_ms = asked_ms if room.ended_ms is None else room.ended_ms
        left = room.state is State.ENDED and room.ended_by == EndedBy.CALLERS
        return left and ended_ms < asked_ms - self._config.announced_ms

    def _is_left(self, room: models.Room) -> bool:
        return self._dispatcher.is_left(name=room.name, metadata=room.metadata)

    def _is_new(self, room: models.Room, asked_ms: int) -> bool:
        return created_at_ms(room) >= asked_ms - self._config.announced_ms


async def _callers(room: models.Room, livekit: LiveKitClient) -> list[models.ParticipantInfo]:
    """Return the callers in the room, by the list of participants, which the server keeps up to date."""
    try:
        return [participant for participant in await livekit.list_participants(room.name) if is_caller(participant)]
    except LiveKitError:
        # The room is gone, or the next sweep will find out.
        return []
