"""POST /livekit/webhook: verifies an event of LiveKit's and hands it to the dispatcher."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from tasks.errors import SwitchboardError
from tasks.queue.dispatcher import Dispatching
from webhooks import events, signature
from webhooks.body import BodyReader
from webhooks.errors import Rejection
from webhooks.metrics import Metrics
from webhooks.rejection_log import RejectionLog

logger = logging.getLogger("switchboard.webhooks")
router = APIRouter()

IGNORED = "ignored"
UNAVAILABLE = "unavailable"
MOST_BODIES = 5000
"""Bodies read at the same time. Their senders have been authenticated, and a burst of rooms is no attack."""
_MAX_RETRY_AFTER_SECONDS = 8


@dataclass(frozen=True)
class WebhookEndpoint:
    """State of the endpoint, on `app.state.webhook_endpoint` while the app runs."""

    dispatcher: Dispatching
    metrics: Metrics
    keys: Mapping[str, str] = field(repr=False)
    bodies: BodyReader
    rejections: RejectionLog = field(default_factory=RejectionLog)


@router.post("/livekit/webhook")
async def receive_webhook(request: Request) -> JSONResponse:
    """Handle one event. The content type is not checked: the signature vouches for the body."""
    endpoint: WebhookEndpoint = request.app.state.webhook_endpoint
    with endpoint.metrics.seconds.time():
        authorization = request.headers.getlist("authorization")
        try:
            # Before the body is read: a stranger takes neither memory nor time.
            signed = signature.authenticate(authorization, endpoint.keys)
            raw = await endpoint.bodies.read(request)
            signed.check(raw)
            event = events.parse(raw)
            endpoint.metrics.observe_event(event.at_ms)
        except Rejection as rejection:
            return _reject(rejection, authorization, endpoint)
        return await _handle(event, signed.at, endpoint)


def _reject(rejection: Rejection, authorization: Sequence[str], endpoint: WebhookEndpoint) -> JSONResponse:
    endpoint.metrics.count_rejection(rejection.reason)
    endpoint.rejections.record(rejection, signature.issuer(authorization))
    # A body may still be on its way, and nobody will read it.
    headers = {"Connection": "close"} if rejection.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return JSONResponse({"outcome": "rejected", "reason": rejection.reason}, rejection.status, headers)


async def _handle(event: events.Event, signed_at: float | None, endpoint: WebhookEndpoint) -> JSONResponse:
    fields = {"event": event.name, "event_id": event.id, "sid": event.room.sid if event.room else None}
    try:
        outcome = await _dispatch(event, endpoint.dispatcher)
    except SwitchboardError as error:
        if not error.retryable:
            raise
        endpoint.metrics.count_event(event.name, UNAVAILABLE)
        logger.warning("webhook refused; LiveKit will retry", extra={**fields, "problem": str(error)})
        return JSONResponse({"outcome": UNAVAILABLE}, 503, {"Retry-After": str(_retry_after(signed_at))})
    endpoint.metrics.count_event(event.name, outcome)
    level = logging.DEBUG if outcome == IGNORED else logging.INFO
    logger.log(level, "webhook handled", extra={**fields, "outcome": outcome})
    return JSONResponse({"outcome": outcome})


async def _dispatch(event: events.Event, dispatcher: Dispatching) -> str:
    if event.room is None:
        return IGNORED
    if event.name == events.ROOM_FINISHED:
        return await dispatcher.close(event.room.sid)
    if event.name == events.ROOM_STARTED or event.caller_joined:
        return await dispatcher.open(event.room)
    return IGNORED


def _retry_after(signed_at: float | None) -> int:
    # LiveKit waits exactly this long, and gives up after four pauses. Pauses that each double the age of the event
    # (1, 2, 4, 8) bridge a short outage quickly and a restart of Redis too. All tries carry the time of the first.
    age = 0.0 if signed_at is None else time.time() - signed_at
    return int(min(max(1 + age, 1), _MAX_RETRY_AFTER_SECONDS))
