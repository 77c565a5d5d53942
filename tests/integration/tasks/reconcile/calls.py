"""Rooms that a LiveKit server lists, and calls in them."""

from __future__ import annotations

import time

from livekit.protocol import models

from tasks.queue.dispatcher import Dispatcher, RoomInfo
from tasks.rooms import ClaimRefusal, RenewResult, Room, RoomStore, keys

MAX_ATTEMPTS = 5
LONG_AGO_MS = 60_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def listed_room(sid: str, name: str = "", *, people: int = 1, publishers: int = 0, metadata: str = "") -> models.Room:
    """A room that the server lists, and that was created a minute ago."""
    return models.Room(
        sid=sid,
        name=name or f"call-acme-{sid}",
        num_participants=people,
        num_publishers=publishers,
        metadata=metadata,
        creation_time_ms=now_ms() - 60_000,
    )


async def open_room(dispatcher: Dispatcher, room: models.Room) -> None:
    await dispatcher.open(RoomInfo(room.sid, room.name))


async def run_call(rooms: RoomStore, sid: str, *, attempt: int = 1, joined: bool = True) -> Room:
    """Claim a queued room; its agent has joined."""
    room = await rooms.claim(sid, attempt, claimant=f"a{attempt}", worker="celery@one", pid=7)
    assert not isinstance(room, ClaimRefusal)
    if joined:
        assert await rooms.renew(sid, attempt, steps={"joined": 50}) is RenewResult.RENEWED
    return room


async def backdate(rooms: RoomStore) -> None:
    """Make every open room so old that a list has to have it. Redis' clock cannot be set."""
    opened = await rooms.opened_ms()
    await rooms.redis.zadd(keys.ROOMS, dict.fromkeys(opened, now_ms() - LONG_AGO_MS))


async def get(rooms: RoomStore, sid: str) -> Room:
    """Return a room that is known."""
    room = await rooms.get(sid)
    assert room is not None
    return room
