"""Callers who wait are told so: by attributes of their own participant, which the LiveKit server keeps for them.

Attributes, and not messages: a client that joins late or reconnects finds them, and so does a backend that looks at a
telephone's participant. The room's metadata belongs to whoever made the room.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from livekit import api
from livekit.protocol import models

from tasks.reconcile.livekit_sync import NO_CALLERS, UNANSWERED
from tasks.reconcile.wait_estimate import Estimate
from tasks.rooms import Room, RoomStore, State, Wait
from tasks.settings import Settings

PREFIX = "switchboard."
NAMES = ("state", "position", "wait_seconds", "overdue", "reason")
# Most calls are claimed in less, and cost no request.
SETTLED_MS = 1000
# In a tick: so many rooms are looked at in Redis, so many are told, and no longer than so many seconds.
LOOK_AT = 200
TELL_AT_ONCE = 30
BUDGET_SECONDS = 0.8
CONCURRENTLY = 8
# A room is looked at again after this, for those who have come since it was told.
AGAIN_SECONDS = 15.0
# For the attributes to arrive before the room goes.
READ_SECONDS = 0.3
NOT_FOUND = "not_found"

logger = logging.getLogger("switchboard.tasks.reconcile")


@dataclass(frozen=True, slots=True)
class _Told:
    attributes: Mapping[str, str]
    at: float


class CallersSweep:
    """Tells what has changed, in the rooms of one LiveKit server. Only its room's participants read it."""

    def __init__(self, rooms: RoomStore, settings: Settings) -> None:
        self._rooms = rooms
        self._settings = settings
        self._estimate = Estimate()
        self._told: dict[str, _Told] = {}
        self._seen: set[str] = set()
        self._after = ""

    async def __call__(self) -> None:
        """One tick's part. A LiveKit server that is away is logged. Raises what Redis raises."""
        ended_waits = [await self._rooms.get(sid) or sid for sid in await self._rooms.line.to_tell(TELL_AT_ONCE)]
        waits = await self._changed()
        if not ended_waits and not waits:
            return
        secret = self._settings.livekit_api_secret.get_secret_value()
        key = self._settings.livekit_api_key
        async with api.LiveKitAPI(self._settings.livekit_url, key, secret) as server:
            try:
                async with asyncio.timeout(BUDGET_SECONDS + READ_SECONDS):
                    await self._tell_what_came_of_it(server, ended_waits)
                    await self._tell_who_waits(server, waits)
            except UNANSWERED as error:
                logger.warning("callers could not be told", extra={"error": type(error).__name__})

    async def _changed(self) -> list[tuple[Wait, dict[str, str]]]:
        self._after, waits = await self._rooms.line.look(self._after, LOOK_AT, waited_ms=SETTLED_MS)
        if waits:
            await self._estimate.refresh(self._rooms, waits)
        self._seen.update(wait.sid for wait in waits)
        if not self._after:
            # All have been looked at: whoever was not seen waits no more.
            self._told = {sid: told for sid, told in self._told.items() if sid in self._seen}
            self._seen.clear()
        now = time.monotonic()
        never = _Told({}, float("-inf"))
        changed = []
        for wait in waits:
            told = self._told.get(wait.sid, never)
            attributes = self._attributes(wait)
            if attributes != told.attributes or now - told.at >= AGAIN_SECONDS:
                changed.append((told.at, wait, attributes))
        changed.sort(key=lambda each: each[0])
        return [(wait, attributes) for _, wait, attributes in changed[:TELL_AT_ONCE]]

    def _attributes(self, wait: Wait) -> dict[str, str]:
        seconds = self._estimate.wait_seconds(wait)
        longest = self._settings.max_wait_seconds.get(wait.tier)
        overdue = longest is not None and wait.waited_ms > longest * 1000
        return _complete(
            state=wait.state,
            position=str(wait.position),
            wait_seconds="" if seconds is None else str(seconds),
            overdue="true" if overdue else "",
        )

    async def _tell_who_waits(self, server: api.LiveKitAPI, waits: list[tuple[Wait, dict[str, str]]]) -> None:
        still = set(await self._rooms.line.mark_told([wait.sid for wait, _ in waits])) if waits else set()

        async def tell(wait: Wait, attributes: dict[str, str]) -> None:
            await _update(server, wait.name, attributes)
            self._told[wait.sid] = _Told(attributes, time.monotonic())

        telling = [(wait, attributes) for wait, attributes in waits if wait.sid in still]
        for first in range(0, len(telling), CONCURRENTLY):
            await asyncio.gather(*(tell(*each) for each in telling[first : first + CONCURRENTLY]))

    async def _tell_what_came_of_it(self, server: api.LiveKitAPI, rooms: Iterable[Room | str]) -> None:
        over = []
        for room in rooms:
            sid = room if isinstance(room, str) else room.sid
            self._told.pop(sid, None)
            if isinstance(room, Room) and room.state is State.DEAD:
                await _update(server, room.name, _complete(state=State.ENDED, reason=room.reason))
                over.append(room)
                continue
            if isinstance(room, Room) and room.state is State.RUNNING:
                await _update(server, room.name, _complete(state=State.RUNNING))
            await self._rooms.line.told(sid)
        if over:
            await asyncio.sleep(READ_SECONDS)
        for room in over:
            if await _deleted(server, room):
                await self._rooms.line.told(room.sid)


def _complete(**attributes: str) -> dict[str, str]:
    """All of our attributes; an empty one is one that is not there, for the LiveKit server."""
    return {f"{PREFIX}{name}": str(attributes.get(name, "")) for name in NAMES}


async def _update(server: api.LiveKitAPI, name: str, attributes: dict[str, str]) -> None:
    """For everybody in the room who is no agent and has not got them yet."""
    try:
        listed = await server.room.list_participants(api.ListParticipantsRequest(room=name))
        for person in listed.participants:
            if person.kind not in NO_CALLERS and _differ(person, attributes):
                await server.room.update_participant(
                    api.UpdateParticipantRequest(room=name, identity=person.identity, attributes=attributes)
                )
    except api.TwirpError as error:
        # Not found: whoever it was has left, or all have. Whatever else: it must not keep the callers of other rooms.
        if error.code != NOT_FOUND:
            logger.warning("the callers of a room could not be told", extra={"code": error.code})


def _differ(person: models.ParticipantInfo, attributes: Mapping[str, str]) -> bool:
    return any(person.attributes.get(name, "") != value for name, value in attributes.items())


async def _deleted(server: api.LiveKitAPI, room: Room) -> bool:
    """End the room for everybody in it, unless another one has its name by now. Whether it is gone."""
    try:
        listed = await server.room.list_rooms(api.ListRoomsRequest(names=[room.name]))
        if any(found.sid == room.sid for found in listed.rooms):
            await server.room.delete_room(api.DeleteRoomRequest(room=room.name))
    except api.TwirpError as error:
        if error.code != NOT_FOUND:
            logger.warning("a room could not be ended", extra={"sid": room.sid, "code": error.code})
            return False
    return True
