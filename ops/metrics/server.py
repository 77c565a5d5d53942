"""GET /metrics and GET /healthz of the exporter."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ops.metrics.exporter import Exporter

logger = logging.getLogger("switchboard.ops.metrics")


class Collected(Collector):
    """Metrics that were collected already; prometheus_client's encoders ask a registry for them."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        """Return them."""
        return self._families


def create_app(exporter: Exporter) -> Starlette:
    """Return the exporter's ASGI app."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        counting = asyncio.create_task(exporter.run())
        try:
            yield
        finally:
            counting.cancel()
            await asyncio.wait({counting})

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(Collected(await exporter.collect())), headers={"Content-Type": content_type})

    async def healthz(_: Request) -> JSONResponse:
        # Redis is not asked: a restart would not bring it back.
        return JSONResponse({"status": "up"})

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", healthz)], lifespan=lifespan)
