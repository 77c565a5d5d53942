"""What was recorded of calls: attempts, transcripts, spans, log lines, and tenants' keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Bytewise, as SQLite compares.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "recorded_attempts",
        sa.Column("sid", TEXT, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("audio_path", TEXT, nullable=True),
        sa.Column("audio_size", sa.BigInteger(), nullable=True),
        sa.Column("audio_key", sa.Integer(), nullable=True),
        sa.Column("audio_began_ms", sa.BigInteger(), nullable=True),
        sa.Column("audio_duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("transcript_ms", sa.BigInteger(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("erased_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("sid", "attempt", name="pk_recorded_attempts"),
    )
    op.create_index("ix_recorded_attempts_tenant_received_ms", "recorded_attempts", ["tenant", "received_ms"])
    op.create_table(
        "transcript_entries",
        sa.Column("sid", TEXT, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sid", "attempt", "position", name="pk_transcript_entries"),
        _of_attempt("transcript_entries"),
    )
    op.create_table(
        "spans",
        sa.Column("trace_id", TEXT, nullable=False),
        sa.Column("span_id", TEXT, nullable=False),
        sa.Column("sid", TEXT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("trace_id", "span_id", name="pk_spans"),
        _of_attempt("spans"),
    )
    op.create_index("ix_spans_sid_attempt", "spans", ["sid", "attempt"])
    op.create_table(
        "log_entries",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("sid", TEXT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_entries"),
        _of_attempt("log_entries"),
    )
    op.create_index("ix_log_entries_sid_attempt", "log_entries", ["sid", "attempt"])
    op.create_table(
        "tenant_keys",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("encrypted", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "number", name="pk_tenant_keys"),
    )


def _of_attempt(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["sid", "attempt"],
        ["recorded_attempts.sid", "recorded_attempts.attempt"],
        name=f"fk_{table}_recorded_attempts",
        ondelete="CASCADE",
    )
