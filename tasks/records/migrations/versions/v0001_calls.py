"""Calls, their attempts, usage, failures of providers, and entries of the stream that could not be read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Bytewise, as SQLite compares.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "calls",
        sa.Column("sid", TEXT, nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("tier", TEXT, nullable=False),
        sa.Column("number", TEXT, nullable=True),
        sa.Column("state", TEXT, nullable=True),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("ended_by", TEXT, nullable=True),
        sa.Column("public_reason", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", TEXT, nullable=False),
        sa.Column("first_claimed_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("erased_ms", sa.BigInteger(), nullable=True),
        sa.Column("entry", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("sid", "opened_ms", name="pk_calls"),
    )
    op.create_index("ix_calls_ended_by_opened_ms_sid", "calls", ["ended_by", "opened_ms", "sid"])
    op.create_index("ix_calls_name_opened_ms_sid", "calls", ["name", "opened_ms", "sid"])
    op.create_index("ix_calls_number_opened_ms_sid", "calls", ["number", "opened_ms", "sid"])
    op.create_index("ix_calls_opened_ms_sid", "calls", ["opened_ms", "sid"])
    op.create_index("ix_calls_outcome_opened_ms_sid", "calls", ["outcome", "opened_ms", "sid"])
    op.create_index("ix_calls_state_opened_ms_sid", "calls", ["state", "opened_ms", "sid"])
    op.create_index("ix_calls_tenant_opened_ms_sid", "calls", ["tenant", "opened_ms", "sid"])
    op.create_table(
        "rejected_entries",
        sa.Column("entry", TEXT, nullable=False),
        sa.Column("problem", TEXT, nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("rejected_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry", name="pk_rejected_entries"),
    )
    op.create_table(
        "attempts",
        sa.Column("sid", TEXT, nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("worker", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("ending", TEXT, nullable=False),
        sa.Column("cause", TEXT, nullable=True),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("uncounted", sa.Integer(), nullable=False),
        sa.Column("handed_over", sa.Boolean(), nullable=False),
        sa.Column("first_heard_ms", sa.BigInteger(), nullable=True),
        sa.Column("lost_before_ms", sa.BigInteger(), nullable=True),
        sa.Column("claimed_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("interruptions", sa.Integer(), nullable=False),
        sa.Column("replies_ms", sa.JSON(), nullable=False),
        sa.Column("entry", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["sid", "opened_ms"], ["calls.sid", "calls.opened_ms"], name="fk_attempts_calls", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sid", "opened_ms", "attempt", name="pk_attempts"),
    )
    op.create_index("ix_attempts_ending_opened_ms_sid", "attempts", ["ending", "opened_ms", "sid"])
    op.create_index("ix_attempts_tenant_opened_ms_duration_ms", "attempts", ["tenant", "opened_ms", "duration_ms"])
    op.create_table(
        "provider_failures",
        sa.Column("sid", TEXT, nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("fallback", sa.Boolean(), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("provider", TEXT, nullable=False),
        sa.Column("error", TEXT, nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sid", "opened_ms", "attempt"],
            ["attempts.sid", "attempts.opened_ms", "attempts.attempt"],
            name="fk_provider_failures_attempts",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sid", "opened_ms", "attempt", "position", name="pk_provider_failures"),
    )
    op.create_index("ix_provider_failures_tenant_opened_ms", "provider_failures", ["tenant", "opened_ms"])
    op.create_table(
        "usage",
        sa.Column("sid", TEXT, nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("provider", TEXT, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("unit", TEXT, nullable=False),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("amount", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(
            ["sid", "opened_ms", "attempt"],
            ["attempts.sid", "attempts.opened_ms", "attempts.attempt"],
            name="fk_usage_attempts",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sid", "opened_ms", "attempt", "kind", "provider", "model", "unit", name="pk_usage"),
    )
    op.create_index("ix_usage_opened_ms", "usage", ["opened_ms"])
    op.create_index(
        "ix_usage_sums",
        "usage",
        ["tenant", "opened_ms", "kind", "provider", "model", "unit", "amount"],
    )
