"""A model of admission: permits and waitlists once more in Python, by plain lists and by counting rooms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

TENANTS = {"acme": "premium", "bolt": "premium", "coral": "free"}
"""The tenants of the machine's rooms, and their tiers. Each tier's queue has its name."""


@dataclass
class AdmissionModel:
    """Permits and waitlists. `permits`, `unclaimed`: sid -> tenant. `waitlists`: tenant -> sids in order of arrival."""

    enter: Callable[[str], None]
    caps: dict[str, int | None] = field(default_factory=dict)
    most_unclaimed: int | None = None
    permits: dict[str, str] = field(default_factory=dict)
    unclaimed: dict[str, str] = field(default_factory=dict)
    waitlists: dict[str, list[str]] = field(default_factory=lambda: {tenant: [] for tenant in TENANTS})
    last: dict[str, str] = field(default_factory=dict)

    def arrive(self, sid: str, tenant: str) -> None:
        self.waitlists[tenant].append(sid)
        self.serve(TENANTS[tenant])

    def acquire(self, sid: str, tenant: str) -> None:
        self.permits[sid] = self.unclaimed[sid] = tenant

    def claim(self, sid: str, tenant: str) -> None:
        self.unclaimed.pop(sid, None)
        self.serve(TENANTS[tenant])

    def release(self, sid: str, tenant: str) -> None:
        self.permits.pop(sid, None)
        self.unclaimed.pop(sid, None)
        if sid in self.waitlists[tenant]:
            self.waitlists[tenant].remove(sid)
        self.serve(TENANTS[tenant])

    def serve(self, tier: str) -> None:
        while not self._full(tier, [TENANTS[tenant] for tenant in self.permits.values()]):
            eligible = [tenant for tenant in TENANTS if TENANTS[tenant] == tier and self.waitlists[tenant]]
            eligible = sorted(tenant for tenant in eligible if not self.limited(tenant))
            if not eligible:
                return
            tenant = next((one for one in eligible if one > self.last.get(tier, "")), eligible[0])
            sid = self.waitlists[tenant].pop(0)
            self.acquire(sid, tenant)
            self.last[tier] = tenant
            self.enter(sid)

    def eligible(self) -> set[tuple[str, str]]:
        """Return (tier, tenant) of each tenant whose waiting rooms only the limit of its tier keeps back."""
        return {
            (tier, tenant) for tenant, tier in TENANTS.items() if self.waitlists[tenant] and not self.limited(tenant)
        }

    def limited(self, tenant: str) -> bool:
        most = self.most_unclaimed
        unclaimed = list(self.unclaimed.values()).count(tenant)
        return self._full(tenant, list(self.permits.values())) or (most is not None and unclaimed >= most)

    def may_enter(self, tenant: str) -> bool:
        tier = TENANTS[tenant]
        return not self.limited(tenant) and not self._full(tier, [TENANTS[other] for other in self.permits.values()])

    def _full(self, name: str, holders: list[str]) -> bool:
        cap = self.caps.get(name)
        return cap is not None and holders.count(name) >= cap
