"""Making a call: a room on the LiveKit server that is open, so that its agent is on the way before anybody joins."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, Self

from tasks.deadline import within_deadline
from tasks.errors import SwitchboardError
from tasks.idempotency import Once, Request, RequestStore
from tasks.queue.dispatcher import Opened, RoomSeen
from tasks.queue.routing import new_room_name
from tasks.redis_client import connect
from tasks.settings import Settings
from webhooks.problems import IdempotencyKeyReused, Problem, TenantUnusable
from webhooks.rooms import Rooms

logger = logging.getLogger("switchboard.webhooks")


class Opens(Protocol):
    """What is needed of tasks.queue.dispatcher.Dispatcher."""

    async def open(self, room: RoomSeen) -> Opened:
        """Make sure that the room has been dispatched once."""
        ...

    async def ping(self) -> None:
        """Return if Redis answers."""
        ...


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call that is on its way. `made_at`: when it was first asked for, unix seconds. `again`: it was there before."""

    room: str
    sid: str
    made_at: int
    again: bool


class CallMaker:
    """Makes calls, each once. For the whole process; made inside an event loop.

    A room that was made but could not be opened is nobody's if the request has no key, and is deleted. With a key it is
    left, for the next try goes on with it; if none comes, LiveKit's webhook opens it, as it does any room.
    """

    def __init__(self, rooms: Rooms, requests: RequestStore, dispatcher: Opens, *, redis_seconds: float) -> None:
        self._rooms = rooms
        self._requests = requests
        self._dispatcher = dispatcher
        self._redis_seconds = redis_seconds

    @classmethod
    def from_settings(cls, settings: Settings, dispatcher: Opens) -> Self:
        """With its own connections; `aclose` closes them."""
        requests = RequestStore(connect(settings))
        return cls(Rooms(settings), requests, dispatcher, redis_seconds=settings.redis_deadline_seconds)

    async def make(
        self, tenant: str, metadata: Mapping[str, Any], *, wait_seconds: int, once: Once | None = None
    ) -> MadeCall:
        """A call of the tenant's, whose room waits for its caller for `wait_seconds`; the same one for the same `once`.

        Raises LiveKitUnavailable, LiveKitRefused, RedisUnavailable, TenantUnusable, and IdempotencyKeyReused.
        """
        request = await self._begin(new_room_name(tenant), once)
        if once and request.fingerprint != once.fingerprint:
            raise IdempotencyKeyReused
        if request.sid:
            return MadeCall(request.room, request.sid, request.made_at, again=True)
        content = json.dumps({**metadata, "tenant_id": tenant})
        room = await self._rooms.create(request.room, metadata=content, wait_seconds=wait_seconds)
        try:
            opened = await self._dispatcher.open(room)
        except SwitchboardError:
            if not once:
                await self._take_back(room)
            raise
        if opened is Opened.DEAD:
            await self._take_back(room)
            raise TenantUnusable
        sid = await self._finish(room, once)
        logger.info("call made", extra={"sid": sid, "tenant": tenant})
        return MadeCall(request.room, sid, request.made_at, again=False)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._rooms.aclose()
        await self._requests.redis.aclose()

    async def _begin(self, room: str, once: Once | None) -> Request:
        now = int(time.time())
        if once is None:
            # Not to make a room that could not be opened.
            await self._dispatcher.ping()
            return Request("", room, now, None)
        return await within_deadline(self._requests.begin(once, room=room, now=now), self._redis_seconds)

    async def _finish(self, room: RoomSeen, once: Once | None) -> str:
        if once is None:
            return room.sid
        return await within_deadline(self._requests.finish(once, room=room.name, sid=room.sid), self._redis_seconds)

    async def _take_back(self, room: RoomSeen) -> None:
        logger.warning("a room that could not be opened is taken back", extra={"sid": room.sid})
        # If LiveKit does not answer either, the room closes by itself when nobody has come.
        with suppress(Problem):
            await self._rooms.delete(room.name)
