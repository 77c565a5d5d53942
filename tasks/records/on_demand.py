"""Records that are loaded when they are first asked for: in a process that may never be.

SQLAlchemy, alembic and the drivers take 40 MB and half a second of CPU. A receiver answers for records only if a
backend asks it, and most never are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Protocol, Self

from tasks.records.call_filter import CallFilter
from tasks.records.results import CallDetails, CallPage, TenantUsage
from tasks.settings import DatabaseSettings

if TYPE_CHECKING:
    from tasks.records.database import Database
    from tasks.records.store import RecordStore


class CallRecords(Protocol):
    """The queries of `RecordStore` that a receiver answers from."""

    async def list_calls(self, wanted: CallFilter, *, cursor: str | None, limit: int) -> CallPage:
        """Return a page of calls, the newest first."""

    async def get_call(self, sid: str, *, tenant: str | None) -> CallDetails | None:
        """Return a call with its attempts, or None."""

    async def usage(self, *, since_ms: int, until_ms: int, tenant: str | None) -> tuple[TenantUsage, ...]:
        """Return the usage of each tenant's calls of a period."""


class RecordsOnDemand:
    """A `RecordStore` that is imported and opened at its first query. Its methods are the store's."""

    def __init__(self, settings: DatabaseSettings, closing: AsyncExitStack) -> None:
        self._settings = settings
        self._closing = closing
        self._loading = asyncio.Lock()
        self._store: RecordStore | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: DatabaseSettings) -> AsyncIterator[Self]:
        """Open it, and close at the end what was opened by then."""
        async with AsyncExitStack() as closing:
            yield cls(settings, closing)

    async def list_calls(self, wanted: CallFilter, *, cursor: str | None, limit: int) -> CallPage:
        """Return a page of calls, the newest first."""
        return await (await self._loaded()).list_calls(wanted, cursor=cursor, limit=limit)

    async def get_call(self, sid: str, *, tenant: str | None) -> CallDetails | None:
        """Return a call with its attempts, or None."""
        return await (await self._loaded()).get_call(sid, tenant=tenant)

    async def usage(self, *, since_ms: int, until_ms: int, tenant: str | None) -> tuple[TenantUsage, ...]:
        """Return the usage of each tenant's calls of a period."""
        return await (await self._loaded()).usage(since_ms=since_ms, until_ms=until_ms, tenant=tenant)

    async def _loaded(self) -> RecordStore:
        async with self._loading:
            if self._store is None:
                # In a thread: webhooks must not wait for half a second of imports.
                database, store = await asyncio.to_thread(_import)
                self._store = store(await self._closing.enter_async_context(database.open(self._settings)))
        return self._store


def _import() -> tuple[type[Database], type[RecordStore]]:
    from tasks.records.database import Database  # noqa: PLC0415 - see the module's docstring
    from tasks.records.store import RecordStore  # noqa: PLC0415

    return Database, RecordStore
