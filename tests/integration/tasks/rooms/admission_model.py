"""Who may enter a queue and who waits, once more in Python: by plain lists, and by counting rooms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

TENANTS = {"acme": "premium", "bolt": "premium", "coral": "free"}
"""Of the rooms that the machine plays with, and their tiers, which share a queue."""


@dataclass
class AdmissionModel:
    """`held`: sid -> tenant, of rooms that are counted. `line`: a tenant's sids, in the order of their arrival."""

    enter: Callable[[str], None]
    caps: dict[str, int | None] = field(default_factory=dict)
    most_unclaimed: int | None = None
    held: dict[str, str] = field(default_factory=dict)
    unclaimed: dict[str, str] = field(default_factory=dict)
    line: dict[str, list[str]] = field(default_factory=lambda: {tenant: [] for tenant in TENANTS})
    last: dict[str, str] = field(default_factory=dict)

    def arrive(self, sid: str, tenant: str) -> None:
        self.line[tenant].append(sid)
        self.serve(TENANTS[tenant])

    def take(self, sid: str, tenant: str) -> None:
        self.held[sid] = self.unclaimed[sid] = tenant

    def claim(self, sid: str, tenant: str) -> None:
        self.unclaimed.pop(sid, None)
        self.serve(TENANTS[tenant])

    def leave(self, sid: str, tenant: str) -> None:
        self.held.pop(sid, None)
        self.unclaimed.pop(sid, None)
        if sid in self.line[tenant]:
            self.line[tenant].remove(sid)
        self.serve(TENANTS[tenant])

    def serve(self, tier: str) -> None:
        while not self._full(tier, [TENANTS[tenant] for tenant in self.held.values()]):
            ready = [tenant for tenant in TENANTS if TENANTS[tenant] == tier and self.line[tenant]]
            ready = sorted(tenant for tenant in ready if not self.blocked_by_its_own(tenant))
            if not ready:
                return
            tenant = next((one for one in ready if one > self.last.get(tier, "")), ready[0])
            sid = self.line[tenant].pop(0)
            self.take(sid, tenant)
            self.last[tier] = tenant
            self.enter(sid)

    def blocked_by_its_own(self, tenant: str) -> bool:
        most = self.most_unclaimed
        unclaimed = list(self.unclaimed.values()).count(tenant)
        return self._full(tenant, list(self.held.values())) or (most is not None and unclaimed >= most)

    def may_enter(self, tenant: str) -> bool:
        tier = TENANTS[tenant]
        return not self.blocked_by_its_own(tenant) and not self._full(
            tier, [TENANTS[other] for other in self.held.values()]
        )

    def _full(self, name: str, held: list[str]) -> bool:
        cap = self.caps.get(name)
        return cap is not None and held.count(name) >= cap
