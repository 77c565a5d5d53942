"""The environment that alembic runs, on the connection that `tasks.records.schema` gives it."""

from __future__ import annotations

from alembic import context

from tasks.records.models import Base
from tasks.records.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    # SQLite changes a table by making another one.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
