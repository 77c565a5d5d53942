"""Calls and their attempts, as the stream of Redis tells them.

A call is known by `sid` and `opened_ms`, since a room that is opened again is another call. Its row is there as soon as
one of its attempts has ended; `state` is null until the call itself is over. Nothing here is the content of a
conversation. `number` and `name` may tell who has called: `RecordStore.erase` takes them out.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Float, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from tasks.records.models.base import Base, Ms, Str


class Call(Base):
    """A call: from the opening of its room until its end, over all attempts."""

    __tablename__ = "calls"
    __table_args__ = (
        # For each filter of a search: what it compares, then the order of the pages.
        Index(None, "opened_ms", "sid"),
        Index(None, "tenant", "opened_ms", "sid"),
        Index(None, "number", "opened_ms", "sid"),
        Index(None, "name", "opened_ms", "sid"),
        Index(None, "state", "opened_ms", "sid"),
        Index(None, "outcome", "opened_ms", "sid"),
        Index(None, "ended_by", "opened_ms", "sid"),
    )

    sid: Mapped[Str] = mapped_column(primary_key=True)
    opened_ms: Mapped[Ms] = mapped_column(primary_key=True, autoincrement=False)
    """When it was opened; of a room that could not be opened, when it was given up."""
    name: Mapped[Str]
    tenant: Mapped[Str]
    tier: Mapped[Str]
    number: Mapped[Str | None]
    """The caller's telephone number, as it was given by Twilio, the backend or the SIP server."""
    state: Mapped[Str | None]
    outcome: Mapped[Str]
    ended_by: Mapped[Str | None]
    public_reason: Mapped[Str]
    attempts: Mapped[int | None]
    """How many attempts have claimed it; null until it is over."""
    attempt: Mapped[int]
    """The number of its last attempt so far; 0 if there was none."""
    worker: Mapped[Str]
    first_claimed_ms: Mapped[Ms | None]
    ended_ms: Mapped[Ms | None]
    steps: Mapped[dict[str, int]] = mapped_column(JSON)
    """Step -> unix ms, of the call and its last attempt; empty until it is over."""
    erased_ms: Mapped[Ms | None]
    entry: Mapped[Str | None]
    """The stream's entry from which it is; null until it is over."""


class Attempt(Base):
    """An attempt that has ended."""

    __tablename__ = "attempts"
    __table_args__ = (
        ForeignKeyConstraint(["sid", "opened_ms"], ["calls.sid", "calls.opened_ms"], ondelete="CASCADE"),
        Index(None, "tenant", "opened_ms", "duration_ms"),
        Index(None, "ending", "opened_ms", "sid"),
    )

    sid: Mapped[Str] = mapped_column(primary_key=True)
    opened_ms: Mapped[Ms] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant: Mapped[Str]
    worker: Mapped[Str]
    version: Mapped[Str]
    ending: Mapped[Str]
    cause: Mapped[Str | None]
    reason: Mapped[Str]
    uncounted: Mapped[int]
    handed_over: Mapped[bool]
    """The attempt before it has handed the call over."""
    first_heard_ms: Mapped[Ms | None]
    lost_before_ms: Mapped[Ms | None]
    claimed_ms: Mapped[Ms | None]
    ended_ms: Mapped[Ms]
    duration_ms: Mapped[Ms]
    """From its claim to its end."""
    steps: Mapped[dict[str, int]] = mapped_column(JSON)
    turns: Mapped[int]
    interruptions: Mapped[int]
    replies_ms: Mapped[list[int]] = mapped_column(JSON)
    entry: Mapped[Str]


class Usage(Base):
    """An amount that an attempt has used of a model. A call's usage is the sum over its attempts."""

    __tablename__ = "usage"
    __table_args__ = (
        ForeignKeyConstraint(
            ["sid", "opened_ms", "attempt"],
            ["attempts.sid", "attempts.opened_ms", "attempts.attempt"],
            ondelete="CASCADE",
        ),
        # All that a sum needs, so that it reads the index alone.
        Index("ix_usage_sums", "tenant", "opened_ms", "kind", "provider", "model", "unit", "amount"),
        Index(None, "opened_ms"),
    )

    sid: Mapped[Str] = mapped_column(primary_key=True)
    opened_ms: Mapped[Ms] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[Str] = mapped_column(primary_key=True)
    provider: Mapped[Str] = mapped_column(primary_key=True)
    model: Mapped[Str] = mapped_column(primary_key=True)
    unit: Mapped[Str] = mapped_column(primary_key=True)
    tenant: Mapped[Str]
    amount: Mapped[float] = mapped_column(Float(53))


class ProviderFailure(Base):
    """A failure of a provider in an attempt, or how often the attempt left it for its fallback."""

    __tablename__ = "provider_failures"
    __table_args__ = (
        ForeignKeyConstraint(
            ["sid", "opened_ms", "attempt"],
            ["attempts.sid", "attempts.opened_ms", "attempts.attempt"],
            ondelete="CASCADE",
        ),
        Index(None, "tenant", "opened_ms"),
    )

    sid: Mapped[Str] = mapped_column(primary_key=True)
    opened_ms: Mapped[Ms] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant: Mapped[Str]
    fallback: Mapped[bool]
    """The attempt left the provider for the next one; else the provider has failed."""
    kind: Mapped[Str]
    provider: Mapped[Str]
    error: Mapped[Str]
    times: Mapped[int]


class RejectedEntry(Base):
    """An entry of the stream that is no record, kept aside for an operator."""

    __tablename__ = "rejected_entries"

    entry: Mapped[Str] = mapped_column(primary_key=True)
    problem: Mapped[Str]
    fields: Mapped[dict[str, Any]] = mapped_column(JSON)
    rejected_ms: Mapped[Ms]
