"""The upload at the end of a session: a header, the transcript, the audio. Each is kept if the tenant records it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from google.protobuf.message import DecodeError
from livekit.protocol.metrics import MetricsRecordingHeader
from starlette.requests import Request

from ops.console.uploads import body
from ops.console.uploads.admission import Admission, Admitted
from ops.console.uploads.errors import Malformed
from ops.console.uploads.multipart import MultipartReader
from ops.recordings.store import RecordingStore

HEADER_BYTES = 1 << 20
TRANSCRIPT_BYTES = 32 << 20

logger = logging.getLogger("switchboard.ops.console")


async def take_session(request: Request, admission: Admission, store: RecordingStore, *, limit: int) -> None:
    """Store what was recorded of a session. Raises what its parts raise."""
    reader = MultipartReader(request.headers.get("content-type", ""), body.chunks(request, limit))
    if await reader.next_part() != "header":
        raise Malformed(problem="it does not begin with its header")
    header = _header(await reader.whole(HEADER_BYTES))
    admitted = await admission.admit(header.job_id, room=header.room_id)
    summary = _object(header.session_summary or "{}", "session_summary")
    source = admitted.source
    arrived = await store.begin(source)
    stored = []
    if not arrived.erased:
        await store.put_session(source, summary=summary, transcript=None)
    while (name := await reader.next_part()) is not None:
        if arrived.erased:
            continue
        if name == "chat_history" and _wanted("transcript", admitted, there=arrived.transcript):
            transcript = await _transcript(await reader.whole(TRANSCRIPT_BYTES))
            await store.put_session(source, summary=summary, transcript=transcript)
            stored.append("transcript")
        elif (
            name == "audio"
            and _wanted("audio", admitted, there=arrived.audio)
            and await store.put_audio(source, reader.data(), began_ms=header.start_time.ToMilliseconds())
        ):
            stored.append("audio")
    logger.info(
        "recording received",
        extra={"sid": source.sid, "attempt": source.attempt, "parts": stored, "tenant": source.tenant},
    )


def _wanted(part: str, admitted: Admitted, *, there: bool) -> bool:
    return part in admitted.parts and not there


def _header(content: bytes) -> MetricsRecordingHeader:
    try:
        return MetricsRecordingHeader.FromString(content)
    except DecodeError:
        raise Malformed(problem="its header is no MetricsRecordingHeader") from None


async def _transcript(content: bytes) -> list[dict[str, Any]]:
    # The transcript of a long call is some MB.
    items = (await asyncio.to_thread(_object, content, "chat_history")).get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Malformed(problem="chat_history has no list of items")
    return items


def _object(content: str | bytes, name: str) -> dict[str, Any]:
    try:
        # RecursionError: a few thousand brackets.
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise Malformed(problem=f"{name} is no JSON object")
    return parsed
