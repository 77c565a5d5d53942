"""The audit log: what operators did, saw and heard on the console."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Bytewise, as SQLite compares.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "audit_entries",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("operator", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("client", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_at_ms_id", "audit_entries", ["at_ms", "id"])
    op.create_index("ix_audit_entries_operator_at_ms", "audit_entries", ["operator", "at_ms"])
    op.create_index("ix_audit_entries_subject_at_ms", "audit_entries", ["subject", "at_ms"])
