"""The routes to which agents upload."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, TypeVar

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ops.console.uploads import body, otlp
from ops.console.uploads.access_token import require_upload_grant
from ops.console.uploads.admission import Admission
from ops.console.uploads.errors import NotRecorded, TooManyUploads, UploadRefused, refusal
from ops.console.uploads.forwarder import Forwarder
from ops.console.uploads.session import take_session
from ops.recordings.store import RecordingStore, Source
from tasks.errors import SwitchboardError
from tasks.rooms.counters import Counters, UploadOutcome

MOST_AT_ONCE = 32
"""Uploads of sessions that are taken at once: each has up to two parts of audio in memory, 10 MB."""
LARGE_BYTES = 1 << 18
"""An OTLP body that is longer is parsed in a thread."""

Parsed = TypeVar("Parsed")

logger = logging.getLogger("switchboard.ops.console")


class Uploads:
    """Takes uploads. `secrets`: by LiveKit API key. `max_bytes`: the longest upload of a session.

    `counters`: where they are counted, for metrics.
    """

    def __init__(
        self,
        admission: Admission,
        store: RecordingStore,
        *,
        secrets: Mapping[str, str],
        max_bytes: int,
        counters: Counters,
        forwarder: Forwarder | None = None,
    ) -> None:
        self._admission = admission
        self._store = store
        self._secrets = secrets
        self._max_bytes = max_bytes
        self._counters = counters
        self._forwarder = forwarder
        self._at_once = 0

    async def take(self, request: Request, content: Callable[[Request], Awaitable[None]]) -> Response:
        """Take the content of a request, if its token allows it, and return the answer."""
        try:
            require_upload_grant(request.headers.get("authorization"), self._secrets)
            await content(request)
        except SwitchboardError as error:
            await self._count(request, _outcome(error))
            level = logging.INFO if isinstance(error, NotRecorded) else logging.WARNING
            logger.log(level, "upload refused", extra={"path": request.url.path, "error": str(error)})
            await body.discard(request)
            return refusal(error)
        await self._count(request, UploadOutcome.TAKEN)
        return Response(status_code=200, media_type="application/x-protobuf")

    async def _count(self, request: Request, outcome: UploadOutcome) -> None:
        kind = request.url.path.removeprefix(f"{PREFIX}/").partition("/")[0]
        # What is kept does not depend on its count.
        with contextlib.suppress(RedisError, OSError):
            await self._counters.count_upload(kind, outcome)

    async def session(self, request: Request) -> None:
        """Take the upload at the end of a session."""
        if self._at_once >= MOST_AT_ONCE:
            raise TooManyUploads(most=MOST_AT_ONCE)
        self._at_once += 1
        try:
            await take_session(request, self._admission, self._store, limit=self._max_bytes)
        finally:
            self._at_once -= 1

    async def traces(self, request: Request) -> None:
        """Take spans."""
        content = await body.read_otlp(request)
        parsed = await _in_thread(content, otlp.parse_traces)
        kept = await self._keep(otlp.spans_by_job(parsed), "traces", self._store.put_spans)
        if kept and self._forwarder is not None:
            self._forwarder.send(otlp.only_jobs(parsed, kept))

    async def logs(self, request: Request) -> None:
        """Take log lines."""
        content = await body.read_otlp(request)
        parsed = await _in_thread(content, otlp.parse_logs)
        await self._keep(otlp.lines_by_job(parsed), "logs", self._store.put_logs)

    async def metrics(self, request: Request) -> None:
        """Take metrics, and keep none of them."""
        await body.read_otlp(request)

    async def _keep(
        self,
        by_job: otlp.ByJob,
        part: Literal["traces", "logs"],
        put: Callable[[Source, list[dict[str, object]]], Awaitable[None]],
    ) -> set[str]:
        """Store what belongs to calls of ours, and return their jobs. Raises the refusal if nothing does."""
        kept: set[str] = set()
        refused: UploadRefused | None = None
        for job, found in by_job.items():
            try:
                admitted = await self._admission.admit(job)
            except UploadRefused as error:
                refused = error
                continue
            if part in admitted.parts:
                await put(admitted.source, found)
                kept.add(job)
        if refused is not None and not kept:
            raise refused
        return kept


def _outcome(error: SwitchboardError) -> UploadOutcome:
    if isinstance(error, NotRecorded):
        return UploadOutcome.UNWANTED
    return UploadOutcome.REFUSED if isinstance(error, UploadRefused) else UploadOutcome.FAILED


def uploads_of(request: Request) -> Uploads:
    """Return the Uploads of the request's app: `app.state.uploads`."""
    uploads: Uploads = request.app.state.uploads
    return uploads


async def _session(request: Request) -> Response:
    uploads = uploads_of(request)
    return await uploads.take(request, uploads.session)


async def _traces(request: Request) -> Response:
    uploads = uploads_of(request)
    return await uploads.take(request, uploads.traces)


async def _logs(request: Request) -> Response:
    uploads = uploads_of(request)
    return await uploads.take(request, uploads.logs)


async def _metrics(request: Request) -> Response:
    uploads = uploads_of(request)
    return await uploads.take(request, uploads.metrics)


PREFIX = "/observability"
ROUTES = [
    Route(f"{PREFIX}/recordings/v0", _session, methods=["POST"]),
    Route(f"{PREFIX}/traces/otlp/v0", _traces, methods=["POST"]),
    Route(f"{PREFIX}/logs/otlp/v0", _logs, methods=["POST"]),
    Route(f"{PREFIX}/metrics/otlp/v0", _metrics, methods=["POST"]),
]
"""For an app whose `state.uploads` is an `Uploads`. They ask for a token of their own, and for no cookie."""


async def _in_thread(content: bytes, parse: Callable[[bytes], Parsed]) -> Parsed:
    return parse(content) if len(content) < LARGE_BYTES else await asyncio.to_thread(parse, content)
