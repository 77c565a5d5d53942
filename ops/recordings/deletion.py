"""The deletion of what was recorded: of one room for good, or of all that is older than a time."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select, update

from ops.recordings.object_store import ObjectStore
from ops.recordings.store import folder
from tasks.records import Database
from tasks.records.models import LogEntry, RecordedAttempt, Span, TranscriptEntry
from tasks.settings.process import now_ms

CONTENT = (
    "audio_path",
    "audio_size",
    "audio_key",
    "audio_began_ms",
    "audio_duration_ms",
    "transcript_ms",
    "content",
)


class Deletion:
    """Deletes recordings; it needs no key. Raises RecordingUnavailable, and what the database raises.

    The audio goes first: as long as its row is there, it is known to be there.
    """

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects

    async def erase(self, sid: str) -> bool:
        """Delete what was recorded of a room, and keep nothing that still comes of its attempts.

        Returns whether there was anything. It may be done again.
        """
        async with self._database.transaction() as connection:
            query = select(RecordedAttempt.__table__).where(RecordedAttempt.sid == sid)
            rows = (await connection.execute(query)).all()
        for tenant in {row.tenant for row in rows}:
            await self._objects.delete_below(folder(tenant, sid))
        async with self._database.transaction() as connection:
            values = {**dict.fromkeys(CONTENT), "erased_ms": now_ms()}
            await connection.execute(update(RecordedAttempt).where(RecordedAttempt.sid == sid).values(values))
            for table in (TranscriptEntry, Span, LogEntry):
                await connection.execute(delete(table).where(table.sid == sid))
        # What has arrived meanwhile.
        for tenant in {row.tenant for row in rows}:
            await self._objects.delete_below(folder(tenant, sid))
        return any(row.erased_ms is None for row in rows)

    async def delete_before(self, received_ms: int, *, tenants: Sequence[str], but: bool, most: int) -> int:
        """Delete what of these tenants, or of all `but` these, was received before a time: `most` attempts at once.

        Returns the number of attempts.
        """
        of_tenants = RecordedAttempt.tenant.not_in(tenants) if but else RecordedAttempt.tenant.in_(tenants)
        query = select(RecordedAttempt.__table__).where(of_tenants, RecordedAttempt.received_ms < received_ms)
        async with self._database.transaction() as connection:
            rows = (await connection.execute(query.limit(most))).all()
        for row in rows:
            # Also what an upload that broke off may have left there.
            await self._objects.delete_below(folder(row.tenant, row.sid), f"{row.attempt}-")
            gone = delete(RecordedAttempt).where(RecordedAttempt.sid == row.sid, RecordedAttempt.attempt == row.attempt)
            async with self._database.transaction() as connection:
                await connection.execute(gone)
        return len(rows)
