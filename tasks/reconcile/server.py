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
from tasks.rooms import Closed, RoomStore
from tasks.settings import Settings

ANSWER_SECONDS = 5.0
# A room's webhooks may still be on the way.
ANNOUNCED_MS = 2000
# The answer of ListRooms may be older than a room that was opened since.
LISTED_MS = 10_000

logger = logging.getLogger("switchboard.tasks.reconcile")


class Dispatches(Protocol):
    """What the sweep asks of the dispatcher."""

    async def open(self, room: RoomSeen) -> Opened:
        """Make sure that the room is answered once."""

    async def close(self, sid: str) -> Closed:
        """The room has finished."""


async def sweep_server(settings: Settings, rooms: RoomStore, dispatcher: Dispatches) -> None:
    """Open what was not announced, close what was not said to be over. A LiveKit server that is away is logged."""
    try:
        listed = await _listed(settings)
    except (aiohttp.ClientError, api.TwirpError, TimeoutError, OSError) as error:
        logger.warning("the LiveKit server does not list its rooms", extra={"error": type(error).__name__})
        return
    now_ms = time.time_ns() // 1_000_000
    await _open_unknown(listed, rooms, dispatcher, now_ms)
    await _close_gone({room.sid for room in listed}, rooms, dispatcher, now_ms)


async def _listed(settings: Settings) -> list[models.Room]:
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    secret = settings.livekit_api_secret.get_secret_value()
    async with api.LiveKitAPI(settings.livekit_url, settings.livekit_api_key, secret, timeout=timeout) as server:
        return list((await server.room.list_rooms(api.ListRoomsRequest())).rooms)


async def _open_unknown(listed: Iterable[models.Room], rooms: RoomStore, dispatcher: Dispatches, now_ms: int) -> None:
    # An empty one can wait: whoever comes announces it again.
    candidates = {
        room.sid: room for room in listed if room.num_participants > 0 and _started_ms(room) < now_ms - ANNOUNCED_MS
    }
    for sid in await rooms.unknown(candidates):
        room = candidates[sid]
        logger.warning("a room was never announced", extra={"sid": sid})
        await dispatcher.open(RoomSeen(sid, room.name, room.metadata, _started_ms(room)))


async def _close_gone(alive: set[str], rooms: RoomStore, dispatcher: Dispatches, now_ms: int) -> None:
    for room in await rooms.list_open():
        if room.sid not in alive and room.steps_ms.get("received", now_ms) < now_ms - LISTED_MS:
            logger.warning("a room is over and was never said to be", extra={"sid": room.sid})
            await dispatcher.close(room.sid)


def _started_ms(room: models.Room) -> int:
    return room.creation_time_ms or room.creation_time * 1000
