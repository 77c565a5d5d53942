"""Rooms that are open in Redis and missing in the LiveKit server's list.

A list proves little. The server keeps it in its own Redis, which may lose it; a receiver with another server's URL
reads another list. So a running call is never ended by it: the connection of its child knows whether the room is gone.
A room that nobody has claimed has no such witness, and is closed when a second list, by its name, lacks it too. Where
many are missing at once, it is the list that is wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tasks.livekit_api import LiveKitClient
from tasks.reconcile.failures import Failures
from tasks.rooms import CloseResult, Room, RoomStore, State

logger = logging.getLogger("switchboard.tasks.reconcile")


@dataclass(frozen=True, slots=True)
class MissingRoomsConfig:
    """Bounds of the clean-up."""

    listed_ms: int = 10_000
    """A room that was opened more recently may be missing in the answer of ListRooms."""
    plausible: int = 5
    """So many missing rooms are plausible however few are open, …"""
    plausible_share: float = 1 / 3
    """… and so is this share of them. More at once are an alarm."""
    closed: int = 100
    """Most rooms that are looked for by name, in one request, and closed in a sweep."""


DEFAULTS = MissingRoomsConfig()


class MissingRooms:
    """The rooms that the last list lacked."""

    def __init__(self, rooms: RoomStore, failures: Failures, config: MissingRoomsConfig = DEFAULTS) -> None:
        self._rooms = rooms
        self._failures = failures
        self._config = config
        self._missing: set[str] = set()
        self._alarm = False

    async def close(
        self, livekit: LiveKitClient, listed: Collection[str], opened_ms: Mapping[str, int], asked_ms: int
    ) -> int:
        """Close unclaimed rooms that this list lacks, as the last one did. Returns how many were closed.

        `listed`: the sids of the list that was asked for at `asked_ms`. `opened_ms`: of each open room. Both in unix
        ms. Raises what Redis raises, and LiveKitError if the second list fails.
        """
        listed_ms = asked_ms - self._config.listed_ms
        missing = {sid for sid, ms in opened_ms.items() if sid not in listed and ms < listed_ms}
        if not self._is_plausible(len(missing), len(opened_ms)):
            self._missing.clear()
            return 0
        again, self._missing = self._missing & missing, missing
        unclaimed = await self._unclaimed(sorted(again))
        if not unclaimed:
            return 0
        by_name = await livekit.list_rooms(*{room.name for room in unclaimed})
        existing = {room.sid for room in by_name}
        gone = [room.sid for room in unclaimed if room.sid not in existing]
        return sum([await self._close(sid) for sid in gone])

    def _is_plausible(self, missing: int, opened: int) -> bool:
        plausible = missing <= max(self._config.plausible, opened * self._config.plausible_share)
        if plausible is self._alarm:
            self._alarm = not plausible
            fields = {"missing": missing, "open": opened}
            if self._alarm:
                message = "the LiveKit server lists few of the open rooms; none is closed. Check LIVEKIT_URL"
                logger.error(message, extra=fields)
            else:
                logger.info("the LiveKit server lists the open rooms again", extra=fields)
        return plausible

    async def _unclaimed(self, sids: list[str]) -> list[Room]:
        running = await self._rooms.list_running() if sids else set()
        unclaimed: list[Room] = []
        for sid in sids:
            if sid in running or len(unclaimed) >= self._config.closed:
                continue
            with self._failures.of_room("missing rooms", sid):
                room = await self._rooms.get(sid)
                if room is not None and room.state in {State.WAITING, State.QUEUED}:
                    unclaimed.append(room)
        return unclaimed

    async def _close(self, sid: str) -> bool:
        with self._failures.of_room("missing rooms", sid):
            if await self._rooms.close(sid, missing=True) is CloseResult.CANCELLED:
                logger.warning("room_finished webhook was lost; room closed", extra={"sid": sid})
                return True
        return False
