"""The tables, a module for each group of them. `Base.metadata` has all, for alembic.

    audit         what operators did, saw and heard on the console, and who has erased calls
    base          `Base`, and the types of columns that are alike on SQLite and on PostgreSQL
    calls         calls, their attempts, usage, failures of providers, and entries that could not be read
    recordings    recordings of calls: transcripts, spans, log lines, where their audio is, tenants' keys

A new group is a module here, named in this file, and a migration in `tasks.records.migrations`.
"""

from __future__ import annotations

from tasks.records.models.audit import AuditEntry
from tasks.records.models.base import Base
from tasks.records.models.calls import Attempt, Call, ProviderFailure, RejectedEntry, Usage
from tasks.records.models.recordings import LogEntry, RecordedAttempt, Span, TenantKey, TranscriptEntry

__all__ = [
    "Attempt",
    "AuditEntry",
    "Base",
    "Call",
    "LogEntry",
    "ProviderFailure",
    "RecordedAttempt",
    "RejectedEntry",
    "Span",
    "TenantKey",
    "TranscriptEntry",
    "Usage",
]
