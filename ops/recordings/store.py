"""The recordings, as they are written: each thing once, however often it is uploaded."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from sqlalchemy import and_, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ops.recordings import chunk_cipher
from ops.recordings.content import pack
from ops.recordings.object_store import ObjectStore
from ops.recordings.ogg import OggLength
from ops.recordings.tenant_keys import TenantKeys
from tasks.records import Database
from tasks.records.insertion import insert_missing
from tasks.records.models import Call, LogEntry, RecordedAttempt, Span, TranscriptEntry
from tasks.settings.process import now_ms

Table = Literal["transcript", "summary", "spans", "logs"]


@dataclass(frozen=True, slots=True)
class Source:
    """The attempt that something was recorded of."""

    tenant: str
    sid: str
    attempt: int

    def owner(self, table: Table) -> str:
        """Return the owner of a content of this attempt's."""
        return owner(self.sid, self.attempt, table)


@dataclass(frozen=True, slots=True)
class Arrived:
    """The parts of an attempt that are there. `erased`: nothing of it is to be kept any more."""

    audio: bool
    transcript: bool
    erased: bool


def owner(sid: str, attempt: int, table: Table) -> str:
    """Return the owner of a content: it cannot be decrypted in the place of another one."""
    return f"{sid}:{attempt}:{table}"


def folder(tenant: str, sid: str) -> str:
    """Return the folder of a room's audio in the object store."""
    # A tenant's id may be anything, `..` too.
    return f"{re.sub(r'[.]', '%2E', quote(tenant, safe=''))}/{sid}"


class RecordingStore:
    """Writes what arrives. Every method raises what `tasks.records` raises where the database is away."""

    def __init__(self, database: Database, objects: ObjectStore, keys: TenantKeys) -> None:
        self._database = database
        self._objects = objects
        self._keys = keys

    async def begin(self, source: Source) -> Arrived:
        """Note that something of an attempt arrives, and return what is there already."""
        async with self._database.transaction() as connection:
            await _note(connection, source)
            found = (await connection.execute(select(RecordedAttempt.__table__).where(*_is(source)))).one()
        return Arrived(found.audio_path is not None, found.transcript_ms is not None, found.erased_ms is not None)

    async def put_audio(self, source: Source, content: AsyncIterator[bytes], *, began_ms: int) -> bool:
        """Write the audio of an attempt that has none yet; after `begin`. False: another upload was faster.

        Raises RecordingUnavailable and what `content` raises; then nothing is kept of it.
        """
        keys = await self._keys.of(source.tenant)
        path = f"{folder(source.tenant, source.sid)}/{source.attempt}-{secrets.token_hex(4)}.ogg"
        length = OggLength()
        watched = length.watch(content)
        if keys.current is not None:
            key = keys.key(keys.current)
            watched = chunk_cipher.encrypt(watched, key=key, number=keys.current, path=path)
        size = await self._objects.put(path, watched)
        stored = False
        try:
            stored = await self._set_audio(source, path, size, keys.current, began_ms, length.ms)
        finally:
            if not stored:
                await self._objects.delete(path)
        return stored

    async def put_session(
        self, source: Source, *, summary: Mapping[str, Any], transcript: Sequence[Mapping[str, Any]] | None
    ) -> None:
        """Write the summary of the session, and the transcript if there is one."""
        keys = await self._keys.of(source.tenant)
        values: dict[str, Any] = {"content": pack(summary, keys, source.owner("summary"))}
        rows = [
            _row(source) | {"position": position, "content": pack(entry, keys, source.owner("transcript"))}
            for position, entry in enumerate(transcript or ())
        ]
        if transcript is not None:
            values["transcript_ms"] = now_ms()
        async with self._database.transaction() as connection:
            await _note(connection, source)
            await connection.execute(update(RecordedAttempt).where(*_kept(source)).values(values))
            await _insert(connection, source, TranscriptEntry, rows)

    async def put_spans(self, source: Source, spans: Sequence[Mapping[str, Any]]) -> None:
        """Write spans: each with `trace_id` and `span_id`, and what else there is of it."""
        keys = await self._keys.of(source.tenant)
        rows = [
            _row(source)
            | {
                "trace_id": span["trace_id"],
                "span_id": span["span_id"],
                "content": pack(span, keys, source.owner("spans")),
            }
            for span in spans
        ]
        async with self._database.transaction() as connection:
            await _note(connection, source)
            await _insert(connection, source, Span, rows)

    async def put_logs(self, source: Source, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write lines of the log."""
        keys = await self._keys.of(source.tenant)
        rows = [
            _row(source) | {"id": _digest(source, line), "content": pack(line, keys, source.owner("logs"))}
            for line in lines
        ]
        async with self._database.transaction() as connection:
            await _note(connection, source)
            await _insert(connection, source, LogEntry, rows)

    async def _set_audio(
        self, source: Source, path: str, size: int, key: int | None, began_ms: int, duration_ms: int | None
    ) -> bool:
        values = {
            "audio_path": path,
            "audio_size": size if key is None else chunk_cipher.content_size(size),
            "audio_key": key,
            "audio_began_ms": began_ms,
            "audio_duration_ms": duration_ms or 0,
        }
        first = update(RecordedAttempt).where(*_kept(source), RecordedAttempt.audio_path.is_(None))
        async with self._database.transaction() as connection:
            result = await connection.execute(first.values(values))
            return bool(result.rowcount)


def _row(source: Source) -> dict[str, Any]:
    return {"sid": source.sid, "attempt": source.attempt}


def _is(source: Source) -> tuple[Any, Any]:
    return RecordedAttempt.sid == source.sid, RecordedAttempt.attempt == source.attempt


def _kept(source: Source) -> tuple[Any, ...]:
    return *_is(source), RecordedAttempt.erased_ms.is_(None)


async def _note(connection: AsyncConnection, source: Source) -> None:
    # First of all: a transaction of SQLite that has read something cannot always go on to write.
    row = _row(source) | {"tenant": source.tenant, "received_ms": now_ms()}
    await insert_missing(connection, RecordedAttempt, [row])
    # The call may have been erased before any of this attempt arrived.
    call_erased = exists().where(Call.sid == source.sid, Call.erased_ms.is_not(None))
    await connection.execute(update(RecordedAttempt).where(*_kept(source), call_erased).values(erased_ms=now_ms()))


async def _insert(
    connection: AsyncConnection, source: Source, table: type[TranscriptEntry | Span | LogEntry], rows: list[Any]
) -> None:
    kept = await connection.execute(select(RecordedAttempt.sid).where(and_(*_kept(source))).with_for_update())
    if kept.first() is not None:
        await insert_missing(connection, table, rows)


def _digest(source: Source, line: Mapping[str, Any]) -> str:
    content = json.dumps([source.sid, source.attempt, line], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:32]
