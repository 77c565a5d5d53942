"""*A call*: its whole story on one timeline, with its audio, its usage and its logs."""

from __future__ import annotations

from collections.abc import Collection
from statistics import median
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from ops.console.audit import Action
from ops.console.context import Visit, visit
from ops.console.errors import NotFound
from ops.console.sign_in.operators import Role
from ops.console.story import timeline
from ops.console.story.events import Event, Kind
from ops.recordings.object_store import RecordingNotFound
from ops.recordings.results import AudioPart, RecordedCall
from tasks.records import CallDetails
from tasks.rooms import Room
from tasks.settings.process import now_ms

NO_RECORDING = "There is no such recording. It was never made, or it was deleted."

router = APIRouter(prefix="/calls/{sid}")
Viewer = Annotated[Visit, Depends(visit())]
Listener = Annotated[Visit, Depends(visit(Role.LISTEN))]


@router.get("")
async def show(request: Request, viewer: Viewer, sid: str, opened: int | None = None) -> Response:
    """Show a call: its record, or the room until that is written."""
    # In this order: Redis has a call for an hour after its end, and its record is written a moment after that.
    room = await viewer.console.rooms.get(sid)
    details = await viewer.console.records.get_call(sid, opened_ms=opened)
    if room is not None and opened in {None, room.opened_ms} and not _is_written(room, details):
        return _show_room(request, viewer, room)
    if details is None:
        raise NotFound("Neither Redis nor the records know this call.")
    numbers = {attempt.attempt for attempt in details.attempts}
    recorded = await viewer.console.archive.recordings.call(sid, attempts=numbers)
    words = viewer.operator.may(Role.LISTEN)
    if words and recorded is not None and recorded.transcript:
        await viewer.require(request, Action.READ, sid, tenant=details.call.tenant)
    events = timeline.of_record(details, recorded, words=words)
    return viewer.page(
        request,
        "calls/call.html",
        call=details.call,
        details=details,
        recorded=recorded,
        words=words,
        events=events,
        began_ms=events[0].at_ms if events else details.call.opened_ms,
        first_word_ms=_first_word_ms(details),
        replies=_replies(details, events),
        parts=_parts(recorded, events),
        missing=_missing(recorded, numbers),
        trace_url=_trace_url(viewer, recorded),
    )


@router.get("/attempts/{attempt}/audio")
async def play(request: Request, listener: Listener, sid: str, attempt: int, download: str = "") -> Response:
    """Send the audio of an attempt, or the part of it that a player asks for."""
    recordings = listener.console.archive.recordings
    details = f"attempt {attempt}{', downloaded' if download else ''}"
    await listener.require(request, Action.HEARD, sid, detail=details)
    try:
        return await recordings.audio_response(request, sid, attempt, download=bool(download))
    except RecordingNotFound as error:
        raise NotFound(NO_RECORDING) from error


@router.get("/attempts/{attempt}/waveform")
async def show_waveform(request: Request, listener: Listener, sid: str, attempt: int) -> Response:
    """Show the audio of an attempt as two curves."""
    console = listener.console
    try:
        audio = await console.archive.recordings.audio(sid, attempt)
    except RecordingNotFound as error:
        raise NotFound(NO_RECORDING) from error
    lanes = await console.waveforms.paths(audio)
    return listener.page(request, "calls/waveform.html", lanes=lanes)


def _is_written(room: Room, details: CallDetails | None) -> bool:
    """Tell whether the record of this call, and not only of an earlier one in the same room, is there to its end."""
    return details is not None and details.call.state is not None and details.call.opened_ms >= room.opened_ms


def _show_room(request: Request, viewer: Visit, room: Room) -> Response:
    events = timeline.of_room(room)
    return viewer.page(
        request,
        "calls/open.html",
        room=room,
        events=events,
        began_ms=events[0].at_ms if events else 0,
        now_ms=now_ms(),
        trace_url=viewer.console.trace_url(room.trace),
    )


def _first_word_ms(details: CallDetails) -> int | None:
    heard = [attempt.steps_ms.get("first_audio") for attempt in details.attempts]
    first = min((at_ms for at_ms in heard if at_ms), default=None)
    return None if first is None else first - details.call.opened_ms


def _replies(details: CallDetails, events: list[Event]) -> dict[str, float]:
    """Return the median and the slowest of the replies' latencies, ms."""
    known = [event.reply_ms for event in events if event.reply_ms is not None]
    known = known or [float(ms) for attempt in details.attempts for ms in attempt.replies_ms]
    return {"median": median(known), "slowest": max(known)} if known else {}


def _parts(recorded: RecordedCall | None, events: list[Event]) -> list[tuple[AudioPart, list[tuple[float, str]]]]:
    """Return each part of the audio, with the marks of what was said in it: place (0 to 1000) and kind."""
    parts: list[tuple[AudioPart, list[tuple[float, str]]]] = []
    for part in recorded.audio if recorded else ():
        length = max(1, part.duration_ms)
        marks: list[tuple[float, str]] = [
            ((event.at_ms - part.began_ms) / length * 1000, event.kind)
            for event in events
            if event.kind in {Kind.ERROR, Kind.TOOL} and 0 <= event.at_ms - part.began_ms <= length
        ]
        parts.append((part, marks))
    return parts


def _missing(recorded: RecordedCall | None, numbers: Collection[int]) -> list[str]:
    """Return a sentence for each attempt of which something was recorded and is not there."""
    sentences = []
    for attempt in recorded.attempts if recorded else ():
        of = f" of attempt {attempt.attempt}" if len(numbers) > 1 else ""
        if attempt.erased:
            sentences.append(f"What was recorded{of} has been erased.")
        if attempt.pending:
            sentences.append(f"Still to arrive{of}: {', '.join(attempt.pending)}.")
        if attempt.missing:
            sentences.append(f"Recorded and never uploaded{of}: {', '.join(attempt.missing)}.")
    return sentences


def _trace_url(viewer: Visit, recorded: RecordedCall | None) -> str | None:
    wanted = viewer.console.own.trace_url
    if wanted is None or recorded is None or not recorded.spans:
        return None
    return wanted.replace("{trace_id}", recorded.spans[0].trace_id)
