"""Creation of a call: its room on the LiveKit server, dispatched before anybody joins."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from tasks.errors import SwitchboardError
from tasks.livekit_api import LiveKitClient, LiveKitRequestFailed, LiveKitUnreachable, created_at_ms
from tasks.queue.dispatcher import Dispatching, DispatchResult, RoomInfo
from tasks.queue.idempotency import IdempotencyKey, IdempotencyStore, IdempotentRequest
from tasks.queue.routing import new_room_name
from tasks.redis_client import connect, within_deadline
from tasks.settings import Settings
from webhooks.problems import (
    IdempotencyKeyReused,
    LiveKitRefused,
    LiveKitUnavailable,
    Problem,
    TenantUnusable,
    WaitlistFull,
)

logger = logging.getLogger("switchboard.webhooks")

DEPARTURE_SECONDS = 20
"""How long a room stays open after everybody has left, so that a caller who has lost the network can rejoin."""


@dataclass(frozen=True, slots=True)
class CreatedCall:
    """A call whose agent is on its way.

    `requested_at`: when it was first requested, unix seconds. `repeated`: an earlier request has created it.
    """

    room: str
    sid: str
    requested_at: int
    repeated: bool


class CallCreator:
    """Creates calls, each once. One for the whole process, made inside an event loop.

    A room that was created but could not be dispatched is deleted, if the request has no idempotency key. With a key it
    stays: a retry of the request goes on with it, and if there is none, LiveKit's webhook dispatches it like any room.
    """

    def __init__(
        self, livekit: LiveKitClient, requests: IdempotencyStore, dispatcher: Dispatching, *, redis_seconds: float
    ) -> None:
        self._livekit = livekit
        self._requests = requests
        self._dispatcher = dispatcher
        self._redis_seconds = redis_seconds

    @classmethod
    def from_settings(cls, settings: Settings, dispatcher: Dispatching) -> Self:
        """Return one with its own connections, which `aclose` closes."""
        livekit = LiveKitClient.from_settings(settings.livekit, deadline_seconds=settings.livekit.deadline_seconds)
        requests = IdempotencyStore(connect(settings.redis))
        return cls(livekit, requests, dispatcher, redis_seconds=settings.redis.deadline_seconds)

    async def create(
        self,
        tenant: str,
        metadata: Mapping[str, Any],
        *,
        wait_seconds: int,
        agent_metadata: str = "",
        idempotency_key: IdempotencyKey | None = None,
    ) -> CreatedCall:
        """Create a call of the tenant, or return the one that was created with the same `idempotency_key`.

        The room waits for its caller for `wait_seconds`. `agent_metadata` is for the agent alone; `metadata` is the
        room's.

        Raises LiveKitUnavailable, LiveKitRefused, RedisUnavailable, TenantUnusable, WaitlistFull, and
        IdempotencyKeyReused.
        """
        request = await self._begin(new_room_name(tenant), idempotency_key)
        if idempotency_key and request.fingerprint != idempotency_key.fingerprint:
            raise IdempotencyKeyReused
        if request.sid:
            return CreatedCall(request.room, request.sid, request.made_at, repeated=True)
        await self._dispatcher.save_trace(request.room)
        if agent_metadata:
            await self._dispatcher.save_agent_metadata(request.room, agent_metadata)
        content = json.dumps({**metadata, "tenant_id": tenant})
        room = await self._create_room(request.room, metadata=content, wait_seconds=wait_seconds)
        try:
            result = await self._dispatcher.open(room)
        except SwitchboardError:
            if not idempotency_key:
                await self._delete_room(room)
            raise
        if result is DispatchResult.DEAD:
            await self._delete_room(room)
            raise TenantUnusable
        if result is DispatchResult.BUSY:
            await self._delete_room(room)
            raise WaitlistFull
        sid = await self._finish(room, idempotency_key)
        logger.info("call made", extra={"sid": sid, "tenant": tenant})
        return CreatedCall(request.room, sid, request.made_at, repeated=False)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._livekit.aclose()
        await self._requests.redis.aclose()

    async def _begin(self, room: str, idempotency_key: IdempotencyKey | None) -> IdempotentRequest:
        now = int(time.time())
        if idempotency_key is None:
            # Without Redis the room could not be dispatched, so it is not created at all.
            await self._dispatcher.ping()
            return IdempotentRequest("", room, now, None)
        return await within_deadline(self._requests.begin(idempotency_key, room=room, now=now), self._redis_seconds)

    async def _finish(self, room: RoomInfo, idempotency_key: IdempotencyKey | None) -> str:
        if idempotency_key is None:
            return room.sid
        finishing = self._requests.finish(idempotency_key, room=room.name, sid=room.sid)
        return await within_deadline(finishing, self._redis_seconds)

    async def _create_room(self, name: str, *, metadata: str, wait_seconds: int) -> RoomInfo:
        with _livekit_errors_as_problems():
            room = await self._livekit.create_room(
                name, metadata=metadata, empty_seconds=wait_seconds, departure_seconds=DEPARTURE_SECONDS
            )
        return RoomInfo(room.sid, room.name, room.metadata, created_at_ms(room), requested=True)

    async def _delete_room(self, room: RoomInfo) -> None:
        logger.warning("room could not be dispatched; deleting it", extra={"sid": room.sid})
        # If the LiveKit server does not answer either: it closes the room by itself when nobody has joined.
        with suppress(Problem), _livekit_errors_as_problems():
            await self._livekit.delete_room(room.name)


@contextmanager
def _livekit_errors_as_problems() -> Iterator[None]:
    try:
        yield
    except LiveKitUnreachable as error:
        raise LiveKitUnavailable(error=error.cause) from error
    except LiveKitRequestFailed as error:
        problem = LiveKitUnavailable if error.temporary else LiveKitRefused
        raise problem(error=error.code) from error
