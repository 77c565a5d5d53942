"""The deletion of what a tenant does not keep any longer. It runs in the console, which alone has the object store."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping

from ops.recordings.deletion import Deletion
from tasks.errors import SwitchboardError
from tasks.settings.process import now_ms

EVERY_SECONDS = 3600.0
RETRY_SECONDS = 60.0
AT_ONCE = 200
"""Attempts that are deleted at once, so that nothing else waits for long."""
DAY_MS = 24 * 3600 * 1000

logger = logging.getLogger("switchboard.ops.console")


class Expiry:
    """Deletes recordings after their days, each hour. Several consoles may do so at once.

    `days`: of tenants that have no number of their own. `days_by_tenant`: returns those of the tenants that have one,
    as they are now.
    """

    def __init__(
        self, deletion: Deletion, *, days: int, days_by_tenant: Callable[[], Awaitable[Mapping[str, int]]]
    ) -> None:
        self._deletion = deletion
        self._days = days
        self._days_by_tenant = days_by_tenant

    async def run(self) -> None:
        """Delete what is to be deleted, now and each hour, until cancelled."""
        while True:
            pause = EVERY_SECONDS
            try:
                await self.delete_expired(now_ms())
            except SwitchboardError as error:
                logger.warning("expired recordings not deleted", extra={"error": str(error)})
                pause = RETRY_SECONDS
            await asyncio.sleep(pause)

    async def delete_expired(self, now_ms: int) -> int:
        """Delete what has expired by then. Returns the number of attempts."""
        own = await self._days_by_tenant()
        by_days: defaultdict[int, list[str]] = defaultdict(list)
        for tenant, days in own.items():
            by_days[days].append(tenant)
        deleted = await self._delete(now_ms - self._days * DAY_MS, list(own), but=True)
        for days, tenants in by_days.items():
            deleted += await self._delete(now_ms - days * DAY_MS, tenants, but=False)
        if deleted:
            logger.info("expired recordings deleted", extra={"attempts": deleted})
        return deleted

    async def _delete(self, before_ms: int, tenants: list[str], *, but: bool) -> int:
        deleted = 0
        while found := await self._deletion.delete_before(before_ms, tenants=tenants, but=but, most=AT_ONCE):
            deleted += found
        return deleted
