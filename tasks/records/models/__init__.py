"""The tables, a module for each group of them. `Base.metadata` has all, for alembic.

    base     `Base`, and the types of columns that are alike on SQLite and on PostgreSQL
    calls    calls, their attempts, usage, failures of providers, and entries that could not be read

A new group is a module here, named in this file, and a migration in `tasks.records.migrations`.
"""

from __future__ import annotations

from tasks.records.models.base import Base
from tasks.records.models.calls import Attempt, Call, ProviderFailure, RejectedEntry, Usage

__all__ = ["Attempt", "Base", "Call", "ProviderFailure", "RejectedEntry", "Usage"]
