"""Recordings of calls: the attempts of which something has arrived, transcripts, spans, log lines, tenants' keys.

Audio is in the object store; its path is here. `content` is what was said, or may hold it: JSON, compressed, and
encrypted if that is on, as `ops.recordings.content` has it.
"""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from tasks.records.models.base import Base, Ms, Str


class RecordedAttempt(Base):
    """An attempt of which something has arrived, or was about to. It is there before its audio is written."""

    __tablename__ = "recorded_attempts"
    __table_args__ = (Index(None, "tenant", "received_ms"),)

    sid: Mapped[Str] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant: Mapped[Str]
    received_ms: Mapped[Ms]
    """When the first of it arrived. The time for which it is kept counts from then."""
    audio_path: Mapped[Str | None]
    audio_size: Mapped[Ms | None]
    """In bytes, of the content."""
    audio_key: Mapped[int | None]
    """The number of the tenant's key with which it is encrypted; null if it is not."""
    audio_began_ms: Mapped[Ms | None]
    audio_duration_ms: Mapped[Ms | None]
    transcript_ms: Mapped[Ms | None]
    """When the transcript arrived, which may have no entry."""
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The session's summary."""
    erased_ms: Mapped[Ms | None]
    """When it was erased; what arrives after that is not kept."""


def _of_attempt() -> ForeignKeyConstraint:
    columns = ["sid", "attempt"]
    return ForeignKeyConstraint(columns, [f"recorded_attempts.{name}" for name in columns], ondelete="CASCADE")


class TranscriptEntry(Base):
    """An entry of the transcript of an attempt, which begins with those of the attempts before it."""

    __tablename__ = "transcript_entries"
    __table_args__ = (_of_attempt(),)

    sid: Mapped[Str] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class Span(Base):
    """A span of an attempt's trace. Its parent may come later, or never."""

    __tablename__ = "spans"
    __table_args__ = (_of_attempt(), Index(None, "sid", "attempt"))

    trace_id: Mapped[Str] = mapped_column(primary_key=True)
    span_id: Mapped[Str] = mapped_column(primary_key=True)
    sid: Mapped[Str]
    attempt: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class LogEntry(Base):
    """A line of an attempt's log. `id`: a digest of all of it, so that a repeated upload adds none."""

    __tablename__ = "log_entries"
    __table_args__ = (_of_attempt(), Index(None, "sid", "attempt"))

    id: Mapped[Str] = mapped_column(primary_key=True)
    sid: Mapped[Str]
    attempt: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class TenantKey(Base):
    """A key with which a tenant's recordings are encrypted. It is itself encrypted: see `tasks.encryption`."""

    __tablename__ = "tenant_keys"

    tenant: Mapped[Str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    encrypted: Mapped[Str]
    created_ms: Mapped[Ms]
