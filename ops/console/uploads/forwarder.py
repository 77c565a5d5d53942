"""The traces of calls, passed on to another service that takes OTLP over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Self

import aiohttp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import SecretStr

from ops.console.uploads import otlp, privacy

MOST_WAITING = 100
"""Requests that wait to be sent. More are dropped: what the console keeps does not depend on another service."""
SECONDS = 10.0
OK = 200

logger = logging.getLogger("switchboard.ops.console")


class Forwarder:
    """Sends traces on, one request after another, apart from what the console does itself.

    `private`: with what was said, as LIVEKIT_TELEMETRY_ALLOW_PII has it.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, *, private: bool) -> None:
        self._session = session
        self._url = url
        self._private = private
        self._waiting: asyncio.Queue[ExportTraceServiceRequest] = asyncio.Queue(MOST_WAITING)
        self._dropped = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, headers: Mapping[str, SecretStr], *, private: bool) -> AsyncIterator[Self]:
        """Send traces on, until the end of the block."""
        revealed = {name: value.get_secret_value() for name, value in headers.items()}
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with aiohttp.ClientSession(headers=revealed, timeout=timeout) as session:
            forwarder = cls(session, url, private=private)
            sending = asyncio.create_task(forwarder._run())
            try:
                yield forwarder
            finally:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sending

    def send(self, request: ExportTraceServiceRequest) -> None:
        """Have a request sent soon. It is changed, if what was said is not to be in it."""
        if not self._private:
            for span in otlp.all_spans(request):
                privacy.strip(span)
        try:
            self._waiting.put_nowait(request)
        except asyncio.QueueFull:
            self._dropped += 1

    async def _run(self) -> None:
        while True:
            request = await self._waiting.get()
            try:
                await self._post(gzip.compress(request.SerializeToString(), mtime=0))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self._dropped += 1
                logger.debug("traces not passed on", extra={"error": type(error).__name__})
            if self._dropped and self._waiting.empty():
                logger.warning("traces not passed on", extra={"requests": self._dropped})
                self._dropped = 0

    async def _post(self, content: bytes) -> None:
        headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
        async with self._session.post(self._url, data=content, headers=headers, allow_redirects=False) as response:
            if response.status != OK:
                self._dropped += 1
                logger.debug("traces not passed on", extra={"status": response.status})
