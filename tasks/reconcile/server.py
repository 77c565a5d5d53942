"""What the LiveKit server knows, held against what Redis knows: for webhooks that were lost, either way."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Protocol

import aiohttp
from livekit import api
from livekit.protocol import models

from tasks.dispatch import Opened, RoomSeen
from tasks.rooms import Closed, Room, RoomStore, State
from tasks.settings import Settings

ANSWER_SECONDS = 5.0
# A room's webhooks may still be on the way.
ANNOUNCED_MS = 2000
# The answer of ListRooms may be older than a room that was opened since.
LISTED_MS = 10_000
# ListRooms counts participants at most every 5 s, so a caller may have come or gone since.
COUNTED_MS = 6000
# Of the reasons for which a call ends: `pipeline.presence.Ending`, which a receiver does not import.
ALONE = frozenset({"nobody came", "room empty"})

_NO_CALLERS = (models.ParticipantInfo.Kind.AGENT, models.ParticipantInfo.Kind.EGRESS)

logger = logging.getLogger("switchboard.tasks.reconcile")


class Dispatches(Protocol):
    """What the sweep asks of the dispatcher."""

    async def open(self, room: RoomSeen) -> Opened:
        """Make sure that the room is answered once."""

    async def close(self, sid: str) -> Closed:
        """The room has finished."""


async def sweep_server(settings: Settings, rooms: RoomStore, dispatcher: Dispatches) -> None:
    """Open what was not announced, close what was not said to be over. A LiveKit server that is away is logged."""
    asked_ms = time.time_ns() // 1_000_000
    try:
        listed = await _listed(settings)
    except (aiohttp.ClientError, api.TwirpError, TimeoutError, OSError) as error:
        logger.warning("the LiveKit server does not list its rooms", extra={"error": type(error).__name__})
        return
    known = await rooms.opened_ms()
    unanswered = await _unanswered([room for room in listed if room.sid not in known], rooms, asked_ms)
    await _open(unanswered, settings, dispatcher, asked_ms)
    alive = {room.sid for room in listed}
    await _close_gone([sid for sid, ms in known.items() if sid not in alive and ms < asked_ms - LISTED_MS], dispatcher)


def _server(settings: Settings) -> api.LiveKitAPI:
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    secret = settings.livekit_api_secret.get_secret_value()
    return api.LiveKitAPI(settings.livekit_url, settings.livekit_api_key, secret, timeout=timeout)


async def _listed(settings: Settings) -> list[models.Room]:
    async with _server(settings) as server:
        return list((await server.room.list_rooms(api.ListRoomsRequest())).rooms)


async def _unanswered(listed: Iterable[models.Room], rooms: RoomStore, asked_ms: int) -> list[tuple[models.Room, str]]:
    """Rooms in which a caller may wait for nobody, each with the line that the log gets if there is one."""
    # An empty one can wait: whoever comes announces it again.
    candidates = [
        room
        for room in listed
        if _started_ms(room) < asked_ms - ANNOUNCED_MS
        and (room.num_participants > 0 or _started_ms(room) > asked_ms - COUNTED_MS)
    ]
    over = {room.sid: room for room in await rooms.get_all([room.sid for room in candidates])}
    found = [(room, "a room was never announced") for room in candidates if room.sid not in over]
    back = [room for room in candidates if room.sid in over and _is_left_alone(over[room.sid], asked_ms)]
    return found + [(room, "a caller has come back unannounced") for room in back]


async def _open(
    unanswered: Iterable[tuple[models.Room, str]], settings: Settings, dispatcher: Dispatches, asked_ms: int
) -> None:
    for room, finding in unanswered:
        if await _has_caller(room, settings):
            logger.warning(finding, extra={"sid": room.sid})
            await dispatcher.open(RoomSeen(room.sid, room.name, room.metadata, _started_ms(room), asked_ms))


async def _has_caller(room: models.Room, settings: Settings) -> bool:
    """Whether somebody is in the room who is no agent, by the list that the server keeps up to date."""
    try:
        async with _server(settings) as server:
            listed = await server.room.list_participants(api.ListParticipantsRequest(room=room.name))
    except (aiohttp.ClientError, api.TwirpError, TimeoutError, OSError):
        # The room is gone, or the next sweep will know.
        return False
    return any(person.kind not in _NO_CALLERS for person in listed.participants)


def _is_left_alone(room: Room, asked_ms: int) -> bool:
    """Whether the room's agent had left because nobody was there, and somebody was there later."""
    return (
        room.state is State.ENDED
        and room.reason in ALONE
        and room.steps_ms.get("ended", asked_ms) < asked_ms - ANNOUNCED_MS
    )


async def _close_gone(sids: Iterable[str], dispatcher: Dispatches) -> None:
    for sid in sids:
        logger.warning("a room is over and was never said to be", extra={"sid": sid})
        await dispatcher.close(sid)


def _started_ms(room: models.Room) -> int:
    return room.creation_time_ms or room.creation_time * 1000
