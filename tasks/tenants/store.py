"""What the rest of the system knows of where tenants are kept."""

from __future__ import annotations

from typing import Protocol

from tasks.tenants.tenant import Tenant


class TenantStore(Protocol):
    """Where tenants are kept. Every method raises `redis.RedisError` or `OSError` when that is away."""

    async def get(self, tenant: str) -> Tenant:
        """One tenant, as it is now. Raises UnknownTenant or TenantInvalid."""

    async def by_number(self, number: str) -> Tenant:
        """The tenant that has this telephone number, in E.164. Raises UnknownNumber or TenantInvalid."""
