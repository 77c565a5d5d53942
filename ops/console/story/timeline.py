"""The timeline of a call, from its record, its recordings, and its room in Redis while it is open."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ops.console.story.events import Event, Kind, Latency
from ops.recordings.results import LogLine, RecordedCall, RecordedSpan, TranscriptItem
from tasks.records import CallDetails, StoredAttempt
from tasks.rooms import AttemptEnding, Room

STEPS = {
    "room_started": "room started",
    "received": "webhook received",
    "waiting": "waits for a permit",
    "queued": "in its queue",
    "claimed": "claimed by a worker",
    "connecting": "agent connects",
    "joined": "agent in the room",
    "published": "agent's audio published",
    "first_audio": "agent speaks",
    "lost": "lost",
    "ended": "ended",
}
"""The steps that are events. Others are times of the record alone."""
ENDINGS = {
    AttemptEnding.ENDED: "ended",
    AttemptEnding.LOST: "was lost",
    AttemptEnding.HANDED_OVER: "handed the call over",
    AttemptEnding.DEAD: "failed for good",
}
LATENCIES = (
    ("transcription_delay", "transcript"),
    ("end_of_turn_delay", "end of turn"),
    ("on_user_turn_completed_delay", "agent's hook"),
    ("llm_node_ttft", "language model"),
    ("tts_node_ttfb", "voice"),
    ("playback_latency", "playback"),
)
LEAST_LATENCY_MS = 1.5
"""A part that takes less tells nothing."""
REPLY = "e2e_latency"
"""livekit-agents' name of the time from the end of the caller's speech to the agent's first audio."""
ERROR_LEVELS = frozenset({"ERROR", "CRITICAL", "FATAL"})
MOST_ERRORS = 50


def of_record(details: CallDetails, recorded: RecordedCall | None, *, words: bool) -> list[Event]:
    """Return the events of a call that is over. `words`: with what was said."""
    # Where there are attempts, they say when they have claimed the call and when they have ended.
    told = {"claimed", "ended", "lost"} if details.attempts else set()
    events = list(_steps(details.steps_ms, details.call.attempt, without=told))
    for attempt in details.attempts:
        events += _attempt(attempt, last=attempt.attempt == details.call.attempt)
    if recorded is not None:
        events += _recorded(recorded, words=words)
    return _sorted(events)


def of_room(room: Room) -> list[Event]:
    """Return the events of a call that runs, or waits."""
    return _sorted(_steps(room.steps_ms, room.attempt))


def _recorded(recorded: RecordedCall, *, words: bool) -> Iterator[Event]:
    replies = None
    for item in recorded.transcript:
        event = _said(item, replies, words=words)
        if item.role == "user":
            replies = item
        if event is not None:
            yield event
    failed = [_failed(span) for span in recorded.spans if span.failed]
    failed += [_error(line, words=words) for line in recorded.logs if line.level.upper() in ERROR_LEVELS]
    yield from failed[:MOST_ERRORS]


def _steps(steps_ms: Mapping[str, int], attempt: int, *, without: Collection[str] = ()) -> Iterator[Event]:
    for step, at_ms in steps_ms.items():
        if step in STEPS and step not in without:
            yield Event(at_ms, Kind.STEP, STEPS[step], attempt=attempt)


def _attempt(attempt: StoredAttempt, *, last: bool) -> Iterator[Event]:
    begun = attempt.claimed_ms or attempt.ended_ms
    how = " (the call was handed over to it)" if attempt.handed_over else ""
    yield Event(
        begun,
        Kind.ATTEMPT,
        f"Attempt {attempt.attempt} on {attempt.worker or 'no worker'}{how}",
        f"version {attempt.version}" if attempt.version else "",
        attempt.attempt,
    )
    if not last:
        # The steps of the last one are those of the call.
        yield from _steps(attempt.steps_ms, attempt.attempt, without={"claimed", "ended", "lost"})
    ending = ENDINGS[attempt.ending]
    kind = Kind.ERROR if attempt.ending in {AttemptEnding.LOST, AttemptEnding.DEAD} else Kind.ATTEMPT
    cause = f" ({attempt.cause})" if attempt.cause else ""
    yield Event(attempt.ended_ms, kind, f"Attempt {attempt.attempt} {ending}{cause}", attempt.reason, attempt.attempt)
    for problem in attempt.problems:
        what = "left for its fallback" if problem.fallback else problem.error or "failed"
        times = f", {problem.times} times" if problem.times > 1 else ""
        text = f"{problem.provider} ({problem.kind}): {what}{times}"
        yield Event(attempt.ended_ms, Kind.ERROR, text, "during this attempt", attempt.attempt)


def _said(item: TranscriptItem, asked: TranscriptItem | None, *, words: bool) -> Event | None:
    text = item.text if words else ""
    begin, end = item.speech_ms or (item.at_ms, None)
    if item.kind == "message" and item.role in {"user", "assistant"}:
        measured = {**(asked.latencies_ms if asked and item.role == "assistant" else {}), **item.latencies_ms}
        is_reply = item.role == "assistant"
        return Event(
            begin,
            Kind.AGENT if is_reply else Kind.CALLER,
            text,
            attempt=item.attempt,
            interrupted=item.interrupted,
            confidence=item.confidence,
            reply_ms=item.latencies_ms.get(REPLY) if is_reply else None,
            latencies=_latencies(measured) if is_reply else (),
            end_ms=end,
        )
    if item.kind == "function_call":
        return Event(begin, Kind.TOOL, f"tool {item.name}", text, item.attempt)
    if item.kind == "function_call_output":
        kind = Kind.ERROR if item.is_error else Kind.TOOL
        return Event(begin, kind, f"tool {item.name} {'failed' if item.is_error else 'answered'}", text, item.attempt)
    if item.kind == "agent_handoff" and item.raw.get("old_agent_id"):
        return Event(begin, Kind.NOTE, f"agent {item.name} goes on", attempt=item.attempt)
    return None


def _latencies(measured: Mapping[str, float]) -> tuple[Latency, ...]:
    parts = (Latency(label, measured.get(name, 0.0)) for name, label in LATENCIES)
    return tuple(part for part in parts if part.ms >= LEAST_LATENCY_MS)


def _failed(span: RecordedSpan) -> Event:
    error = next((event for event in span.events if event.get("name") == "exception"), {})
    attributes = error.get("attributes", {})
    kind = attributes.get("exception.type", "") if isinstance(attributes, dict) else ""
    return Event(span.began_ms, Kind.ERROR, f"{span.name} failed", str(kind), span.attempt)


def _error(line: LogLine, *, words: bool) -> Event:
    # A library may log what was said together with its error.
    return Event(
        line.at_ms, Kind.ERROR, line.message if words else f"error of {line.logger}", line.logger, line.attempt
    )


def _sorted(events: Iterator[Event] | list[Event]) -> list[Event]:
    # Steps before the first claim are in the record of each attempt, and in the call's.
    each_once = {(event.at_ms, event.kind, event.text): event for event in events}
    return sorted(each_once.values(), key=lambda event: event.at_ms)
