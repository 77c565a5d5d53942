"""The audit log: what operators did, saw and heard on the console, and who has erased which call."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from tasks.records.models.base import Base, Ms, Str


class AuditEntry(Base):
    """One thing that an operator or a tenant's backend did, saw or heard.

    Nothing of what was said, or of what was erased, is in it.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "at_ms", "id"), Index(None, "operator", "at_ms"), Index(None, "subject", "at_ms"))

    id: Mapped[Str] = mapped_column(primary_key=True)
    """Random, so that an entry which is written a second time is there once."""
    at_ms: Mapped[Ms]
    operator: Mapped[Str]
    action: Mapped[Str]
    subject: Mapped[Str]
    """A room's sid, a worker, a tenant, or ""."""
    tenant: Mapped[Str]
    detail: Mapped[Str]
    client: Mapped[Str]
    """The address that the request came from; of a command its host."""
