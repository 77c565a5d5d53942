"""POST /livekit/webhook: from a request to the dispatcher, and back to a status."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from tasks.errors import SwitchboardError
from tasks.queue.dispatcher import Opened, RoomSeen
from tasks.rooms import Closed
from tasks.tenants import Tenant
from webhooks import body, events, signature
from webhooks.errors import Rejection
from webhooks.metrics import Metrics

logger = logging.getLogger("switchboard.webhooks")
router = APIRouter()

IGNORED = "ignored"
UNAVAILABLE = "unavailable"
_LONGEST_PAUSE_SECONDS = 8


class Dispatches(Protocol):
    """What the app needs of tasks.queue.dispatcher.Dispatcher.

    In bounded time, every method returns or raises. A SwitchboardError that is `retryable` means: deliver it again.
    """

    async def open(self, room: RoomSeen) -> Opened:
        """Make sure that the room has been dispatched once."""
        ...

    async def close(self, sid: str) -> Closed:
        """Note that LiveKit has closed the room."""
        ...

    async def tenant(self, tenant: str) -> Tenant:
        """One tenant, as it is now."""
        ...

    async def tenant_by_number(self, number: str) -> Tenant:
        """The tenant that is called by a number, in E.164."""
        ...

    async def ping(self) -> None:
        """Return if Redis answers."""
        ...

    async def aclose(self) -> None:
        """Give up all connections."""
        ...


@dataclass(frozen=True)
class Receiver:
    """What the routes of one app work with; on `app.state.receiver` while the app is up."""

    dispatcher: Dispatches
    metrics: Metrics
    keys: Mapping[str, str] = field(repr=False)
    max_bytes: int


@router.post("/livekit/webhook")
async def receive(request: Request) -> JSONResponse:
    """Handle one event. The content type is not looked at: what the body is, its signature says."""
    receiver: Receiver = request.app.state.receiver
    with receiver.metrics.seconds.time():
        try:
            raw = await body.read(request, receiver.max_bytes)
            signed_at = signature.verify(raw, request.headers.get("authorization"), receiver.keys)
            event = events.parse(raw)
        except Rejection as rejection:
            return _reject(rejection, receiver.metrics)
        return await _handle(event, signed_at, receiver)


def _reject(rejection: Rejection, metrics: Metrics) -> JSONResponse:
    metrics.count_rejection(rejection.reason)
    logger.warning("webhook rejected", extra={"reason": rejection.reason, "problem": str(rejection)})
    return JSONResponse({"outcome": "rejected", "reason": rejection.reason}, rejection.status)


async def _handle(event: events.Event, signed_at: float | None, receiver: Receiver) -> JSONResponse:
    fields = {"event": event.name, "event_id": event.id, "sid": event.room.sid if event.room else None}
    try:
        outcome = await _dispatch(event, receiver.dispatcher)
    except SwitchboardError as error:
        if not error.retryable:
            raise
        receiver.metrics.count_event(event.name, UNAVAILABLE)
        logger.warning("webhook left to be delivered again", extra={**fields, "problem": str(error)})
        return JSONResponse({"outcome": UNAVAILABLE}, 503, {"Retry-After": str(_retry_after(signed_at))})
    receiver.metrics.count_event(event.name, outcome)
    level = logging.DEBUG if outcome == IGNORED else logging.INFO
    logger.log(level, "webhook handled", extra={**fields, "outcome": outcome})
    return JSONResponse({"outcome": outcome})


async def _dispatch(event: events.Event, dispatcher: Dispatches) -> str:
    if event.room is None:
        return IGNORED
    if event.name == events.ROOM_FINISHED:
        return await dispatcher.close(event.room.sid)
    if event.name == events.ROOM_STARTED or event.brings_a_caller:
        return await dispatcher.open(event.room)
    return IGNORED


def _retry_after(signed_at: float | None) -> int:
    # LiveKit waits exactly this long and gives up after four pauses. Pauses that each double the age of the event
    # (1, 2, 4, 8) bridge a short gap soon and a restart of Redis too. All tries carry the time of the first.
    age = 0.0 if signed_at is None else time.time() - signed_at
    return int(min(max(1 + age, 1), _LONGEST_PAUSE_SECONDS))
