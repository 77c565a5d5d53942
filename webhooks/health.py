"""Health of this process for load balancers and operators, and its metrics.

There is no state "stopping": at SIGTERM uvicorn closes its listening socket first, and then finishes the requests that
have begun. So a load balancer gets its connections refused at once, and tries the next receiver, as every one does.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from tasks.errors import RedisUnavailable
from webhooks.livekit import WebhookEndpoint

router = APIRouter()


@router.get("/healthz")
async def healthz() -> JSONResponse:
    """Answer 200 while the event loop runs. Redis is not checked: a restart would not bring it back."""
    return JSONResponse({"status": "up"})


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """Answer 200 if a webhook could be dispatched now, 503 if Redis is away or takes no writes, as the log says."""
    endpoint: WebhookEndpoint = request.app.state.webhook_endpoint
    try:
        await endpoint.dispatcher.ping()
    except RedisUnavailable:
        return JSONResponse({"status": "redis unavailable"}, 503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Return the counters of this process; scrape each receiver by its own address, not through the load balancer."""
    endpoint: WebhookEndpoint = request.app.state.webhook_endpoint
    return Response(endpoint.metrics.render(), media_type=CONTENT_TYPE_LATEST)
