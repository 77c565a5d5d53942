"""The results of `Recordings`. Times are unix milliseconds; offsets are ms from the begin of the call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class AudioPart:
    """The audio of an attempt: OGG Opus, stereo, the caller on the left and the agent on the right."""

    attempt: int
    began_ms: int
    offset_ms: int
    duration_ms: int
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class TranscriptItem:
    """An entry of the transcript: what was said, a call of a tool or its output, a hand-off, a change of instructions.

    `kind`: livekit-agents' type: `message`, `function_call`, `function_call_output`, `agent_handoff`, … `latencies_ms`:
    its metrics by their names: `transcription_delay`, `end_of_turn_delay`, `llm_node_ttft`, `tts_node_ttfb`, … `raw`:
    the entry as it was uploaded.
    """

    attempt: int
    id: str
    kind: str
    at_ms: int
    offset_ms: int
    role: str = ""
    """Of a message: `user`, `assistant`, `system` or `developer`."""
    text: str = ""
    """Of a message what was said; of a tool's call its arguments, JSON; of its output, that."""
    name: str = ""
    """The name of the tool, or of the agent that goes on."""
    interrupted: bool = False
    is_error: bool = False
    confidence: float | None = None
    speech_ms: tuple[int, int] | None = None
    """When it was spoken: begin and end."""
    latencies_ms: dict[str, float] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordedSpan:
    """A span. `trace_id`, `span_id` and `parent_id` in hex; a parent may not have arrived."""

    attempt: int
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    began_ms: float
    offset_ms: float
    duration_ms: float
    failed: bool
    attributes: dict[str, Any]
    events: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log of the call's process."""

    attempt: int
    at_ms: float
    offset_ms: float
    level: str
    logger: str
    message: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AttemptRecording:
    """An attempt of which something was recorded.

    `arrived`, `pending`, `missing`: parts, of `audio`, `transcript`, `traces` and `logs`. `summary`: livekit-agents'
    summary of the session, as it was uploaded: usage by model, errors by kind, close reason, tags.
    """

    attempt: int
    arrived: tuple[str, ...]
    pending: tuple[str, ...]
    missing: tuple[str, ...]
    erased: bool
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """The recordings of a call, all attempts on one timeline, which begins at `began_ms`."""

    sid: str
    tenant: str
    began_ms: int
    attempts: tuple[AttemptRecording, ...]
    audio: tuple[AudioPart, ...]
    transcript: tuple[TranscriptItem, ...]
    spans: tuple[RecordedSpan, ...]
    logs: tuple[LogLine, ...]
