"""Failures of providers, by tenant, in the last hours: of calls that are in the records."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from tasks.records import Database
from tasks.records.models import ProviderFailure

MOST = 100


@dataclass(frozen=True, slots=True)
class FailureCount:
    """The failures of a provider in a tenant's calls; `fallback`: instead, how often it was left for the next one."""

    tenant: str
    provider: str
    kind: str
    error: str
    fallback: bool
    times: int


async def count_failures(database: Database, *, since_ms: int, tenant: str | None = None) -> list[FailureCount]:
    """Return the failures of calls that were opened since a time, the most frequent first.

    Raises what `tasks.records` raises.
    """
    table = ProviderFailure
    names = (table.tenant, table.provider, table.kind, table.error, table.fallback)
    times = func.sum(table.times).label("times")
    query = select(*names, times).where(table.opened_ms >= since_ms).group_by(*names).order_by(times.desc()).limit(MOST)
    if tenant is not None:
        query = query.where(table.tenant == tenant)
    async with database.transaction() as connection:
        return [FailureCount(*row) for row in await connection.execute(query)]
