"""A server that takes what agents upload, and keeps each request as it came. It may refuse, or not answer."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MOST_BYTES = 64 << 20


@dataclass
class UploadSink:
    """Requests by the second part of their path, `recordings` or `traces`: of recordings the parts by their names.

    `answer`: the status of each answer. `released`: unless it is set, no request is answered.
    """

    url: str = ""
    answer: int = 200
    released: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    requests: dict[str, list[Any]] = field(default_factory=dict)

    def forget(self) -> None:
        """Begin anew, answering everything."""
        self.answer = 200
        self.released.set()
        self.arrived.clear()
        self.requests.clear()

    @property
    def session(self) -> dict[str, bytes]:
        """The parts of the only upload of a session."""
        (only,) = self.requests["recordings"]
        assert isinstance(only, dict)
        return only

    @property
    def span_names(self) -> set[str]:
        spans = [
            span
            for content in self.requests.get("traces", [])
            for resource in ExportTraceServiceRequest.FromString(content).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return {span.name for span in spans}

    @property
    def log_lines(self) -> list[str]:
        return [
            line.body.string_value
            for content in self.requests.get("logs", [])
            for resource in ExportLogsServiceRequest.FromString(content).resource_logs
            for scope in resource.scope_logs
            for line in scope.log_records
        ]

    async def take(self, request: web.Request) -> web.Response:
        kind = request.path.split("/")[2]
        if kind == "recordings":
            parts: dict[str, bytes] = {}
            async for part in await request.multipart():
                assert isinstance(part, BodyPartReader)
                parts[str(part.name)] = bytes(await part.read())
            self.requests.setdefault(kind, []).append(parts)
        else:
            content = await request.read()
            if content.startswith(b"\x1f\x8b"):
                content = gzip.decompress(content)
            self.requests.setdefault(kind, []).append(content)
        self.arrived.set()
        await self.released.wait()
        return web.Response(status=self.answer)


@asynccontextmanager
async def upload_sink() -> AsyncIterator[UploadSink]:
    sink = UploadSink()
    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_post("/observability/{rest:.*}", sink.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    sink.url = f"http://{host}:{port}"
    sink.forget()
    try:
        yield sink
    finally:
        sink.released.set()
        await runner.cleanup()
