"""Whether this process is up, whether it can do its work, and what it has done so far.

There is no state "stopping": at SIGTERM uvicorn closes its listening socket first and then finishes what it has begun.
A load balancer sees refused connections at once, which any of them understands, and tries the next receiver.
"""

from __future__ import annotations

import logging

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from tasks.errors import RedisUnavailable
from webhooks.livekit import Receiver

logger = logging.getLogger("switchboard.webhooks")
router = APIRouter()


@router.get("/healthz")
async def healthz() -> JSONResponse:
    """Answer 200 while the event loop turns. Redis is no part of it: a restart would not bring Redis back."""
    return JSONResponse({"status": "up"})


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """Answer 200 if a webhook could be dispatched now, 503 if Redis is away."""
    receiver: Receiver = request.app.state.receiver
    try:
        await receiver.dispatcher.ping()
    except RedisUnavailable as error:
        logger.warning("not ready", extra={"problem": str(error)})
        return JSONResponse({"status": "redis unavailable"}, 503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Return the counters of this process; scrape each receiver by its own address, not through the load balancer."""
    receiver: Receiver = request.app.state.receiver
    return Response(receiver.metrics.render(), media_type=CONTENT_TYPE_LATEST)
