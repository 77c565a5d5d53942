"""The routes of signed links: contents for a background worker, and audio for a tenant's backend.

Neither asks for a cookie, and a link opens the one thing that it was signed for. Each use is in the audit log, as of
the backend of its tenant. A call that was erased, or whose recording has expired, is not there, whatever its link says.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from ops.console.audit import Action, Entry
from ops.console.context import Console, client_of, console_of
from ops.recordings.object_store import RecordingNotFound
from ops.recordings.results import AudioPart, RecordedCall, TranscriptItem
from tasks.background.notices.links import AUDIO, CONTENTS, Link, LinkRefused
from tasks.tenants.notices_table import NoticeContent

REFUSED = "The link is not valid, or it has expired. A notice that is sent again has a fresh one.\n"
GONE = "There is no such recording any more.\n"

router = APIRouter(prefix="/links", include_in_schema=False)


@router.get(f"/{CONTENTS}/{{sid}}/{{opened_ms}}")
async def read_contents(request: Request, sid: str, opened_ms: int, wanted: str = "") -> Response:
    """Return the contents of a call's notice: 202 as long as they, or the call's record, may still arrive."""
    console = console_of(request)
    try:
        link = console.links.check(CONTENTS, sid, opened_ms, request.query_params)
    except LinkRefused:
        return PlainTextResponse(REFUSED, 403)
    parts = set(wanted.split(",")) & set(map(str, NoticeContent))
    details = await console.records.get_call(sid, opened_ms=opened_ms, tenant=link.tenant)
    if details is None or details.call.state is None:
        return Response(status_code=202)
    numbers = {attempt.attempt for attempt in details.attempts}
    recorded = await console.archive.recordings.call(sid, attempts=numbers, tenant=link.tenant)
    if recorded is None or details.call.erased_ms is not None:
        return JSONResponse({})
    if any(parts.intersection(attempt.pending) for attempt in recorded.attempts):
        return Response(status_code=202)
    if NoticeContent.TRANSCRIPT in parts and recorded.transcript:
        await _note(request, link, Action.READ, "for its notice")
    return JSONResponse(_contents(console, link, recorded, parts))


@router.api_route(f"/{AUDIO}/{{sid}}/{{attempt}}", methods=["GET", "HEAD"])
async def play(request: Request, sid: str, attempt: int) -> Response:
    """Send the audio of an attempt, or the range of it that is asked for."""
    console = console_of(request)
    try:
        link = console.links.check(AUDIO, sid, attempt, request.query_params)
    except LinkRefused:
        return PlainTextResponse(REFUSED, 403)
    await _note(request, link, Action.HEARD, f"attempt {attempt}, by the link in its notice")
    recordings = console.archive.recordings
    try:
        return await recordings.audio_response(request, sid, attempt, tenant=link.tenant, download=True)
    except RecordingNotFound:
        return PlainTextResponse(GONE, 404)


async def _note(request: Request, link: Link, action: Action, detail: str) -> None:
    entry = Entry(f"backend of {link.tenant}", action, link.sid, link.tenant, detail, client_of(request))
    await console_of(request).audit.require(entry)


def _contents(console: Console, link: Link, recorded: RecordedCall, parts: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if NoticeContent.TRANSCRIPT in parts and recorded.transcript:
        found["transcript"] = _transcript(recorded.transcript)
    if NoticeContent.AUDIO in parts and recorded.audio:
        expires = int(time.time()) + 60 * console.own.audio_link_minutes
        found["audio"] = [_audio(console, link, part, expires) for part in recorded.audio]
    return found


def _transcript(items: Sequence[TranscriptItem]) -> list[dict[str, Any]]:
    """Return what was said, and the tools that were called: not the instructions of the agent, nor its hand-offs."""
    said = [item for item in items if item.role not in {"system", "developer"}]
    kinds = {"message", "function_call", "function_call_output"}
    return [
        {
            "attempt": item.attempt,
            "kind": item.kind,
            "at": _time(item.at_ms / 1000),
            "role": item.role,
            "name": item.name,
            "text": item.text,
            "interrupted": item.interrupted,
        }
        for item in said
        if item.kind in kinds
    ]


def _audio(console: Console, link: Link, part: AudioPart, expires: int) -> dict[str, Any]:
    path = console.links.sign(Link(AUDIO, link.tenant, link.sid, part.attempt, expires))
    return {
        "attempt": part.attempt,
        "began": _time(part.began_ms / 1000),
        "duration_ms": part.duration_ms,
        "url": f"{console.own.url}{path}",
        "expires": _time(expires),
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
