"""Places that are not what the rooms say are mended, and limits that have changed let in whom they let in."""

from __future__ import annotations

import logging

from tasks.errors import SwitchboardError
from tasks.rooms import Healed, RoomStore
from tasks.settings import AfterWait, Settings
from tasks.tenants import TenantStore

# So many places and so many open rooms are looked at in one script, for as long as which Redis does nothing else: 2 ms.
LOOK_AT = 100
LOOKS = 5
"""So many such scripts in a tick, for installations of many rooms."""
TENANTS = 50
END_AT_ONCE = 50

logger = logging.getLogger("switchboard.tasks.reconcile")


class PlacesSweep:
    """Goes over the places and the lines a part at a time, and ends waits that are too long."""

    def __init__(self, rooms: RoomStore, tenants: TenantStore, settings: Settings) -> None:
        self._rooms = rooms
        self._tenants = tenants
        self._settings = settings
        self._healed = Healed("0", "0", 0)
        self._after = ""

    async def __call__(self) -> None:
        """One tick's part. Raises what Redis raises."""
        await self._heal()
        await self._bring_limits()
        await self._end_waits()

    async def _heal(self) -> None:
        for _ in range(LOOKS):
            self._healed = await self._rooms.line.heal(self._healed, LOOK_AT)
            if self._healed.wrong:
                logger.warning("places were not what the rooms say", extra={"places": self._healed.wrong})
            if self._healed.places_cursor == self._healed.rooms_cursor == "0":
                return

    async def _bring_limits(self) -> None:
        waiting = await self._rooms.line.tenants(self._after, TENANTS)
        self._after = waiting[-1] if len(waiting) == TENANTS else ""
        if not waiting:
            return
        caps: dict[str, int | None] = {}
        for tenant in waiting:
            try:
                caps[tenant] = (await self._tenants.get(tenant)).max_calls
            except SwitchboardError as error:
                # Its rooms keep the limit that they were opened with.
                logger.warning("no limit known", extra={"tenant": tenant, "reason": type(error).__name__})
        tiers = {tier: self._settings.tier_caps.get(tier) for tier in self._settings.tiers}
        await self._rooms.line.set_limits(caps, tiers, self._settings.queued_per_tenant)

    async def _end_waits(self) -> None:
        for tier, seconds in self._settings.max_wait_seconds.items():
            if self._settings.after_wait.get(tier, AfterWait.END) is AfterWait.GO_ON:
                continue
            reason = f"nobody could answer it within {seconds:g} s"
            for sid in await self._rooms.line.end_waits(tier, round(seconds * 1000), reason=reason, limit=END_AT_ONCE):
                logger.warning("a room has waited too long", extra={"sid": sid, "tier": tier})
