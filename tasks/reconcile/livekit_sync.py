"""What the LiveKit server knows, held against what Redis knows: for webhooks that were lost, either way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable
from typing import Protocol

import aiohttp
from livekit import api
from livekit.protocol import models

from tasks.queue.dispatcher import Opened, RoomSeen
from tasks.rooms import Closed, Outline, RoomStore, State
from tasks.settings import Settings

ANSWER_SECONDS = 5.0
# A room's webhooks may still be on the way.
ANNOUNCED_MS = 2000
# The answer of ListRooms may be older than a room that was opened since.
LISTED_MS = 10_000
# ListRooms counts participants at most every 5 s, so a caller may have come or gone since.
COUNTED_MS = 6000
# So many rooms are looked up together: a few ms of the event loop, in a receiver that has webhooks to answer.
BATCH = 500
# A tick must not outlast the leader's term (`reconciler.TERM_MS`); what is left is done by the next sweep.
BUDGET_SECONDS = 2.0
UNANSWERED = (aiohttp.ClientError, api.TwirpError, TimeoutError, OSError)
# Of the reasons for which a call ends: `pipeline.presence.Ending`, which a receiver does not import.
ALONE = frozenset({"nobody came", "room empty"})

NO_CALLERS = (models.ParticipantInfo.Kind.AGENT, models.ParticipantInfo.Kind.EGRESS)

logger = logging.getLogger("switchboard.tasks.reconcile")


class Dispatches(Protocol):
    """What the sweep asks of the dispatcher."""

    async def open(self, room: RoomSeen) -> Opened:
        """Make sure that the room is answered once."""

    async def close(self, sid: str) -> Closed:
        """The room has finished."""


async def sweep_server(settings: Settings, rooms: RoomStore, dispatcher: Dispatches) -> bool:
    """Open what was not announced, close what was not said to be over. A LiveKit server that is away is logged.

    Returns whether to look again soon: a room is unknown, but so new that its webhook may still be on the way.
    """
    asked_ms = time.time_ns() // 1_000_000
    secret = settings.livekit_api_secret.get_secret_value()
    async with api.LiveKitAPI(settings.livekit_url, settings.livekit_api_key, secret) as server:
        try:
            # A timeout of its session would not count: the client overrides it with none in each request.
            async with asyncio.timeout(ANSWER_SECONDS):
                listed = list((await server.room.list_rooms(api.ListRoomsRequest())).rooms)
        except UNANSWERED as error:
            logger.warning("the LiveKit server does not list its rooms", extra={"error": type(error).__name__})
            return False
        known = await rooms.opened_ms()
        deadline = time.monotonic() + BUDGET_SECONDS
        unknown = [room for room in listed if room.sid not in known]
        async for room, finding in _unanswered(unknown, rooms, asked_ms):
            if await _has_caller(room, server):
                logger.warning(finding, extra={"sid": room.sid})
                await dispatcher.open(RoomSeen(room.sid, room.name, room.metadata, _started_ms(room), asked_ms))
            if time.monotonic() > deadline:
                break
    alive = {room.sid for room in listed}
    for sid in [sid for sid, ms in known.items() if sid not in alive and ms < asked_ms - LISTED_MS]:
        logger.warning("a room is over and was never said to be", extra={"sid": sid})
        await dispatcher.close(sid)
        if time.monotonic() > deadline:
            logger.warning("the sweep of the LiveKit server's rooms goes on later")
            break
    return any(_is_new(room, asked_ms) for room in unknown)


async def _unanswered(
    listed: Iterable[models.Room], rooms: RoomStore, asked_ms: int
) -> AsyncIterator[tuple[models.Room, str]]:
    """Rooms in which a caller may wait for nobody, each with the line that the log gets if there is one."""
    # An empty one can wait: whoever comes announces it again.
    candidates = [
        room
        for room in listed
        if not _is_new(room, asked_ms) and (room.num_participants > 0 or _started_ms(room) > asked_ms - COUNTED_MS)
    ]
    for first in range(0, len(candidates), BATCH):
        batch = candidates[first : first + BATCH]
        over = await rooms.recall([room.sid for room in batch])
        for room in batch:
            if room.sid not in over:
                yield room, "a room was never announced"
            elif _is_left_alone(over[room.sid], asked_ms):
                yield room, "a caller has come back unannounced"


async def _has_caller(room: models.Room, server: api.LiveKitAPI) -> bool:
    """Whether somebody is in the room who is no agent, by the list that the server keeps up to date."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            listed = await server.room.list_participants(api.ListParticipantsRequest(room=room.name))
    except UNANSWERED:
        # The room is gone, or the next sweep will know.
        return False
    return any(person.kind not in NO_CALLERS for person in listed.participants)


def _is_left_alone(room: Outline, asked_ms: int) -> bool:
    """Whether the room's agent had left because nobody was there, and somebody was there later."""
    ended_ms = asked_ms if room.ended_ms is None else room.ended_ms
    return room.state is State.ENDED and room.reason in ALONE and ended_ms < asked_ms - ANNOUNCED_MS


def _is_new(room: models.Room, asked_ms: int) -> bool:
    return _started_ms(room) >= asked_ms - ANNOUNCED_MS


def _started_ms(room: models.Room) -> int:
    return room.creation_time_ms or room.creation_time * 1000
