"""Notification of waiting callers, by attributes of their own participants on the LiveKit server.

Attributes and not messages: a client that joins late or reconnects still gets them, and so does a backend that reads a
telephone's participant. The room's metadata is not used, because it belongs to the backend that created the room.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from livekit.protocol import models

from tasks.livekit_api import LiveKitClient, LiveKitRequestFailed, LiveKitUnreachable, is_caller
from tasks.reconcile.wait_estimate import WaitEstimate
from tasks.rooms import Room, RoomStore, State, Wait
from tasks.settings import LivekitSettings, TierSettings

PREFIX = "switchboard."
NAMES = ("state", "position", "wait_seconds", "overdue", "reason")

logger = logging.getLogger("switchboard.tasks.reconcile")


@dataclass(frozen=True, slots=True)
class WaitNotifierConfig:
    """Pace and bounds of one sweep."""

    settled_ms: int = 1000
    """A room that has waited for less is skipped. Most are claimed sooner, and so cost no request."""
    scanned: int = 200
    """Most waiting rooms that are read from Redis in a sweep."""
    notified: int = 30
    """Most rooms whose callers are notified in a sweep."""
    concurrency: int = 8
    """Rooms that are notified at the same time."""
    budget_seconds: float = 0.8
    """Time for the requests of a sweep, besides `read_seconds`."""
    repeat_seconds: float = 15.0
    """A room is notified again after this time, for callers who have joined since."""
    read_seconds: float = 0.3
    """Pause between the last attributes of a room and its end, so that they arrive."""


DEFAULTS = WaitNotifierConfig()


@dataclass(frozen=True, slots=True)
class _Notified:
    attributes: Mapping[str, str]
    at: float


class WaitNotifier:
    """Sets the attributes of waiting callers when they have changed. Each caller gets those of its own room only."""

    def __init__(
        self,
        rooms: RoomStore,
        livekit: LivekitSettings,
        tiers: TierSettings,
        config: WaitNotifierConfig = DEFAULTS,
    ) -> None:
        self._rooms = rooms
        self._livekit = livekit
        self._tiers = tiers
        self._config = config
        self._estimate = WaitEstimate()
        self._notified: dict[str, _Notified] = {}
        self._scanned: set[str] = set()
        self._cursor = ""

    async def sweep(self) -> None:
        """Notify the next rooms. A LiveKit server that is away is logged. Raises what Redis raises."""
        sids = await self._rooms.waitlist.to_notify(self._config.notified)
        finished = [await self._rooms.get(sid) or sid for sid in sids]
        waits = await self._changed()
        if not finished and not waits:
            return
        async with LiveKitClient.from_settings(self._livekit) as livekit:
            try:
                async with asyncio.timeout(self._config.budget_seconds + self._config.read_seconds):
                    await self._notify_finished(livekit, finished)
                    await self._notify_waiting(livekit, waits)
            except (LiveKitUnreachable, TimeoutError) as error:
                problem = str(error) or "out of time"
                logger.warning("waiting callers not notified", extra={"problem": problem})

    async def _changed(self) -> list[tuple[Wait, dict[str, str]]]:
        """Scan the next waiting rooms, and return those with changed attributes, the longest not notified first."""
        self._cursor, waits = await self._rooms.waitlist.list_waits(
            self._cursor, self._config.scanned, waited_ms=self._config.settled_ms
        )
        if waits:
            await self._estimate.refresh(self._rooms, waits)
        self._scanned.update(wait.sid for wait in waits)
        if not self._cursor:
            # The scan is complete: a room that was not in it does not wait any more.
            self._notified = {sid: last for sid, last in self._notified.items() if sid in self._scanned}
            self._scanned.clear()
        now = time.monotonic()
        never = _Notified({}, float("-inf"))
        changed = []
        for wait in waits:
            last = self._notified.get(wait.sid, never)
            attributes = self._attributes(wait)
            if attributes != last.attributes or now - last.at >= self._config.repeat_seconds:
                changed.append((last.at, wait, attributes))
        changed.sort(key=lambda each: each[0])
        return [(wait, attributes) for _, wait, attributes in changed[: self._config.notified]]

    def _attributes(self, wait: Wait) -> dict[str, str]:
        seconds = self._estimate.wait_seconds(wait)
        longest = self._tiers.max_wait_seconds.get(wait.tier)
        overdue = longest is not None and wait.waited_ms > longest * 1000
        return _complete(
            state=wait.state,
            position=str(wait.position),
            wait_seconds="" if seconds is None else str(seconds),
            overdue="true" if overdue else "",
        )

    async def _notify_waiting(self, livekit: LiveKitClient, waits: list[tuple[Wait, dict[str, str]]]) -> None:
        sids = [wait.sid for wait, _ in waits]
        still_waiting = set(await self._rooms.waitlist.mark_notified(sids)) if sids else set()

        async def notify(wait: Wait, attributes: dict[str, str]) -> None:
            await _set_attributes(livekit, wait.name, attributes)
            self._notified[wait.sid] = _Notified(attributes, time.monotonic())

        pending = [(wait, attributes) for wait, attributes in waits if wait.sid in still_waiting]
        for first in range(0, len(pending), self._config.concurrency):
            await asyncio.gather(*(notify(*each) for each in pending[first : first + self._config.concurrency]))

    async def _notify_finished(self, livekit: LiveKitClient, rooms: Iterable[Room | str]) -> None:
        """Notify rooms whose wait is over, and close those that became dead letters. A sid: Redis has no such room."""
        dead = []
        for room in rooms:
            sid = room if isinstance(room, str) else room.sid
            self._notified.pop(sid, None)
            if isinstance(room, Room) and room.state is State.DEAD:
                await _set_attributes(livekit, room.name, _complete(state=State.ENDED, reason=room.public_reason))
                dead.append(room)
                continue
            if isinstance(room, Room) and room.state is State.RUNNING:
                await _set_attributes(livekit, room.name, _complete(state=State.RUNNING))
            await self._rooms.waitlist.notified(sid)
        if dead:
            await asyncio.sleep(self._config.read_seconds)
        for room in dead:
            if await _close(livekit, room):
                await self._rooms.waitlist.notified(room.sid)


def _complete(**attributes: str) -> dict[str, str]:
    """Return all of our attributes. LiveKit removes an attribute whose value is empty."""
    return {f"{PREFIX}{name}": str(attributes.get(name, "")) for name in NAMES}


async def _set_attributes(livekit: LiveKitClient, room: str, attributes: dict[str, str]) -> None:
    """Set the attributes of each caller in the room that does not have them yet."""
    try:
        for participant in await livekit.list_participants(room):
            if is_caller(participant) and _differ(participant, attributes):
                await livekit.update_participant(room, participant.identity, attributes)
    except LiveKitRequestFailed as error:
        # Not found: the participant has left, or the room is closed. Any other error concerns this room only, and must
        # not keep the other rooms from being notified.
        if not error.not_found:
            logger.warning("callers of a room not notified", extra={"code": error.code})


def _differ(participant: models.ParticipantInfo, attributes: Mapping[str, str]) -> bool:
    return any(participant.attributes.get(name, "") != value for name, value in attributes.items())


async def _close(livekit: LiveKitClient, room: Room) -> bool:
    """Close the room, unless its name belongs to another room by now. Returns whether the room is gone."""
    try:
        if any(listed.sid == room.sid for listed in await livekit.list_rooms(room.name)):
            await livekit.delete_room(room.name)
    except LiveKitRequestFailed as error:
        if not error.not_found:
            logger.warning("room of a dead letter not closed", extra={"sid": room.sid, "code": error.code})
            return False
    return True
