"""The recordings of a call: audio, transcript, spans and log lines of all its attempts, on one timeline."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from ops.recordings import chunk_cipher
from ops.recordings.audio import Audio, respond
from ops.recordings.content import KeySet, unpack
from ops.recordings.object_store import ObjectStore, RecordingNotFound
from ops.recordings.results import (
    AttemptRecording,
    AudioPart,
    LogLine,
    RecordedCall,
    RecordedSpan,
    TranscriptItem,
)
from ops.recordings.store import owner
from ops.recordings.tenant_keys import TenantKeys
from tasks.records import Database
from tasks.records.models import Attempt, LogEntry, RecordedAttempt, Span, TranscriptEntry
from tasks.settings.process import now_ms

PARTS = ("audio", "transcript", "traces", "logs")
ARRIVAL_MS = 120_000
"""The time after the end of an attempt in which its upload may still arrive."""
NS = 1_000_000

Tables = dict[type[TranscriptEntry | Span | LogEntry], defaultdict[int, list[Any]]]


class Recordings:
    """Reads what was recorded. Raises what `tasks.records` raises, TenantKeyUnreadable and NotDecryptable."""

    def __init__(self, database: Database, objects: ObjectStore, keys: TenantKeys) -> None:
        self._database = database
        self._objects = objects
        self._keys = keys

    async def call(
        self, sid: str, *, attempts: Collection[int] | None = None, tenant: str | None = None
    ) -> RecordedCall | None:
        """Return what was recorded of a call, or should have been; None if nothing was, or it is of another tenant.

        `attempts`: the numbers of those of the call, where its room was opened again. None: of all of its room.
        """
        async with self._database.transaction() as connection:
            recorded = {row.attempt: row for row in await _rows(connection, RecordedAttempt, sid)}
            ended = {row.attempt: row for row in await _rows(connection, Attempt, sid)}
            tables: Tables = {}
            for table in (TranscriptEntry, Span, LogEntry):
                tables[table] = defaultdict(list)
                for row in await _rows(connection, table, sid):
                    tables[table][row.attempt].append(row)
        wanted = sorted(recorded.keys() | {number for number, row in ended.items() if _expected(row)})
        wanted = [number for number in wanted if attempts is None or number in attempts]
        if not wanted:
            return None
        its_tenant = (recorded.get(wanted[0]) or ended[wanted[0]]).tenant
        if tenant is not None and its_tenant != tenant:
            return None
        keys = await self._keys.of(its_tenant)
        reading = _Reading(sid, its_tenant, keys, tables)
        # A call of an hour has thousands of spans and lines, each compressed and perhaps encrypted.
        attempts_of_call = {number: (recorded.get(number), ended.get(number)) for number in wanted}
        return await asyncio.to_thread(reading.call, attempts_of_call)

    async def audio(self, sid: str, attempt: int, *, tenant: str | None = None) -> Audio:
        """Return the audio of an attempt. Raises RecordingNotFound and RecordingUnavailable."""
        query = select(RecordedAttempt.__table__).where(RecordedAttempt.sid == sid, RecordedAttempt.attempt == attempt)
        async with self._database.transaction() as connection:
            row = (await connection.execute(query)).first()
        if row is None or row.audio_path is None or tenant not in {None, row.tenant}:
            raise RecordingNotFound
        encrypted_size = 0 if row.audio_key is None else await self._objects.size(row.audio_path)
        if encrypted_size and chunk_cipher.content_size(encrypted_size) != row.audio_size:
            raise chunk_cipher.NotDecryptable
        return Audio(self._objects, row.audio_path, row.audio_size, encrypted_size, await self._keys.of(row.tenant))

    async def audio_response(
        self, request: Request, sid: str, attempt: int, *, tenant: str | None = None, download: bool = False
    ) -> Response:
        """Return the response to a GET or HEAD of an attempt's audio, with ranges. Raises as `audio`."""
        audio = await self.audio(sid, attempt, tenant=tenant)
        # Its path is another one if it is ever written again.
        etag = f'"{audio.path.rpartition("-")[2].partition(".")[0]}"'
        return await respond(audio, request, etag=etag, download=f"{sid}-{attempt}.ogg" if download else None)


class _Reading:
    """The reading of one call: `began_ms` is the earliest time of all that there is."""

    def __init__(self, sid: str, tenant: str, keys: KeySet, tables: Tables) -> None:
        self._sid = sid
        self._tenant = tenant
        self._keys = keys
        self._tables = tables
        self._began_ms = 0

    def call(self, attempts: Mapping[int, tuple[Row[Any] | None, Row[Any] | None]]) -> RecordedCall:
        transcript = [
            (number, entry) for number in attempts for entry in self._unpacked(TranscriptEntry, "transcript", number)
        ]
        spans = [(number, span) for number in attempts for span in self._unpacked(Span, "spans", number)]
        logs = [(number, line) for number in attempts for line in self._unpacked(LogEntry, "logs", number)]
        audio = [row for row, _ in attempts.values() if row is not None and row.audio_path is not None]
        begins = [
            *(row.steps.get("claimed", row.ended_ms) for _, row in attempts.values() if row is not None),
            *(row.audio_began_ms for row in audio),
            *(span["began_ns"] // NS for _, span in spans),
            *(line["at_ns"] // NS for _, line in logs),
        ]
        said = [round(entry.get("created_at", 0) * 1000) for _, entry in transcript]
        self._began_ms = min(begins or said or [0])
        return RecordedCall(
            sid=self._sid,
            tenant=self._tenant,
            began_ms=self._began_ms,
            attempts=tuple(self._attempt(number, *rows) for number, rows in attempts.items()),
            audio=tuple(map(self._audio, audio)),
            transcript=self._transcript(transcript),
            spans=tuple(sorted((self._span(*span) for span in spans), key=lambda span: span.began_ms)),
            logs=tuple(sorted((self._log(*line) for line in logs), key=lambda line: line.at_ms)),
        )

    def _unpacked(self, table: type[TranscriptEntry | Span | LogEntry], name: Any, number: int) -> list[Any]:
        of_attempt = owner(self._sid, number, name)
        return [unpack(row.content, self._keys, of_attempt) for row in self._tables[table][number]]

    def _attempt(self, number: int, recorded: Row[Any] | None, ended: Row[Any] | None) -> AttemptRecording:
        there = {
            "audio": recorded is not None and recorded.audio_path is not None,
            "transcript": recorded is not None and recorded.transcript_ms is not None,
            "traces": bool(self._tables[Span][number]),
            "logs": bool(self._tables[LogEntry][number]),
        }
        erased = recorded is not None and recorded.erased_ms is not None
        expected = () if ended is None or erased else _expected(ended)
        absent = tuple(part for part in expected if not there[part])
        waiting = ended is not None and now_ms() - ended.ended_ms < ARRIVAL_MS
        summary = None if recorded is None else recorded.content
        return AttemptRecording(
            attempt=number,
            arrived=tuple(part for part in PARTS if there[part]),
            pending=absent if waiting else (),
            missing=() if waiting else absent,
            erased=erased,
            summary={} if summary is None else unpack(summary, self._keys, owner(self._sid, number, "summary")),
        )

    def _audio(self, row: Row[Any]) -> AudioPart:
        return AudioPart(
            attempt=row.attempt,
            began_ms=row.audio_began_ms,
            offset_ms=row.audio_began_ms - self._began_ms,
            duration_ms=row.audio_duration_ms,
            size=row.audio_size,
        )

    def _transcript(self, entries: Sequence[tuple[int, dict[str, Any]]]) -> tuple[TranscriptItem, ...]:
        # An attempt's transcript begins with what was said before it, as its agent was given it. The attempt in which
        # it was said has its latencies, too.
        items: dict[str, TranscriptItem] = {}
        for attempt, entry in entries:
            item = self._item(attempt, entry)
            items.setdefault(item.id, item)
        return tuple(sorted(items.values(), key=lambda item: item.at_ms))

    def _item(self, attempt: int, entry: dict[str, Any]) -> TranscriptItem:
        metrics = {name: value for name, value in (entry.get("metrics") or {}).items() if _is_number(value)}
        begin, end = metrics.pop("started_speaking_at", None), metrics.pop("stopped_speaking_at", None)
        at_ms = round(entry.get("created_at", 0) * 1000)
        return TranscriptItem(
            attempt=attempt,
            id=str(entry.get("id", "")),
            kind=str(entry.get("type", "")),
            at_ms=at_ms,
            offset_ms=at_ms - self._began_ms,
            role=str(entry.get("role", "")),
            text=_text(entry),
            name=str(entry.get("name") or entry.get("new_agent_id") or ""),
            interrupted=bool(entry.get("interrupted")),
            is_error=bool(entry.get("is_error")),
            confidence=entry.get("transcript_confidence"),
            speech_ms=None if begin is None or end is None else (round(begin * 1000), round(end * 1000)),
            latencies_ms={name: value * (1 if name.endswith("_tps") else 1000) for name, value in metrics.items()},
            raw=entry,
        )

    def _span(self, attempt: int, span: dict[str, Any]) -> RecordedSpan:
        began_ms = span["began_ns"] / NS
        return RecordedSpan(
            attempt=attempt,
            trace_id=span["trace_id"],
            span_id=span["span_id"],
            parent_id=span["parent_id"],
            name=span["name"],
            began_ms=began_ms,
            offset_ms=began_ms - self._began_ms,
            duration_ms=(span["ended_ns"] - span["began_ns"]) / NS,
            failed=span["failed"],
            attributes=span["attributes"],
            events=tuple(span["events"]),
        )

    def _log(self, attempt: int, line: dict[str, Any]) -> LogLine:
        at_ms = line["at_ns"] / NS
        return LogLine(
            attempt=attempt,
            at_ms=at_ms,
            offset_ms=at_ms - self._began_ms,
            level=line["level"],
            logger=line["logger"],
            message=line["message"],
            attributes=line["attributes"],
        )


async def _rows(connection: AsyncConnection, table: Any, sid: str) -> Sequence[Row[Any]]:
    query = select(table.__table__).where(table.sid == sid).order_by(*table.__table__.primary_key.columns)
    return (await connection.execute(query)).all()


def _expected(ended: Row[Any]) -> tuple[str, ...]:
    return tuple(part for part in PARTS if f"recording_{part}" in ended.steps)


def _text(entry: Mapping[str, Any]) -> str:
    content = entry.get("content")
    if isinstance(content, list):
        return "\n".join(part for part in content if isinstance(part, str))
    return str(entry.get("arguments") or entry.get("output") or "")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
