"""Repair of permits, changed limits, and waits that are too long."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tasks.errors import SwitchboardError
from tasks.reconcile.redis_clock import RedisClock
from tasks.rooms import RepairCursor, Repairs, RoomStore, SweepName
from tasks.settings import AfterWait, TierSettings
from tasks.tenants import TenantReader

logger = logging.getLogger("switchboard.tasks.reconcile")


@dataclass(frozen=True, slots=True)
class AdmissionConfig:
    """Bounds of one sweep."""

    checked_at_once: int = 100
    """Permits, and as many open rooms, that one script checks. Redis does nothing else meanwhile, for about 2 ms."""
    checks: int = 5
    """Most such scripts in a sweep, for installations of many rooms."""
    tenants: int = 50
    """Most tenants whose limits are applied in a sweep."""
    expired: int = 50
    """Most rooms of a tier whose wait is ended in a sweep."""


DEFAULTS = AdmissionConfig()


class AdmissionSweep:
    """Repairs permits and the wait list, a part of them in each sweep."""

    def __init__(
        self,
        rooms: RoomStore,
        tenants: TenantReader,
        tiers: TierSettings,
        clock: RedisClock | None = None,
        config: AdmissionConfig = DEFAULTS,
        *,
        repairs: Repairs | None = None,
    ) -> None:
        self._repairs = Repairs() if repairs is None else repairs
        self._rooms = rooms
        self._tenants = tenants
        self._tiers = tiers
        self._clock = clock or RedisClock()
        self._config = config
        self._repair_cursor = RepairCursor()
        self._tenant_cursor = ""

    async def sweep(self) -> None:
        """Repair the next permits, apply the next tenants' limits, end expired waits. Raises what Redis raises."""
        await self._repair()
        await self._apply_limits()
        await self._expire_waits()

    async def _repair(self) -> None:
        for _ in range(self._config.checks):
            self._repair_cursor = await self._rooms.waitlist.repair(self._repair_cursor, self._config.checked_at_once)
            self._repairs[SweepName.PERMITS] += self._repair_cursor.repaired + len(self._repair_cursor.forgotten)
            if self._repair_cursor.repaired:
                logger.warning("permits repaired", extra={"permits": self._repair_cursor.repaired})
            for sid in self._repair_cursor.forgotten:
                logger.error("room not readable in Redis; forgotten", extra={"sid": sid})
            if self._repair_cursor.complete:
                return

    async def _apply_limits(self) -> None:
        waiting = await self._rooms.waitlist.list_tenants(self._tenant_cursor, self._config.tenants)
        self._tenant_cursor = waiting[-1] if len(waiting) == self._config.tenants else ""
        if not waiting:
            return
        caps: dict[str, int | None] = {}
        for tenant in waiting:
            try:
                caps[tenant] = (await self._tenants.get(tenant)).max_calls
            except SwitchboardError as error:
                # The tenant's rooms keep the limit with which they were opened.
                logger.warning("limits of a tenant not read", extra={"tenant": tenant, "error": type(error).__name__})
        tiers = {tier: self._tiers.caps.get(tier) for tier in self._tiers.queues}
        await self._rooms.waitlist.set_limits(caps, tiers, self._tiers.queued_per_tenant)

    async def _expire_waits(self) -> None:
        for tier, seconds in self._tiers.max_wait_seconds.items():
            if self._tiers.after_wait.get(tier, AfterWait.END) is AfterWait.GO_ON:
                continue
            reason = f"nobody could answer it within {seconds:g} s"
            # Those who waited when Redis' clock stepped forward have not waited for so much longer.
            longest_ms = round(seconds * 1000) + self._clock.stepped_forward_ms(seconds)
            expired = await self._rooms.waitlist.expire_waits(
                tier, longest_ms, reason=reason, limit=self._config.expired
            )
            self._repairs[SweepName.EXPIRED_WAITS] += len(expired)
            for sid in expired:
                logger.warning("room waited too long; now a dead letter", extra={"sid": sid, "tier": tier})
