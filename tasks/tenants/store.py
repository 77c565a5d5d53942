"""What the rest of the system knows of where tenants are kept."""

from __future__ import annotations

from typing import Protocol

from tasks.tenants.tenant import Tenant


class TenantStore(Protocol):
    """Where tenants are kept."""

    async def get(self, tenant: str) -> Tenant:
        """One tenant, as it is now.

        Raises UnknownTenant, TenantInvalid, or TenantsFileInvalid.
        """

    async def by_number(self, number: str) -> Tenant:
        """The tenant that is called by a number, in E.164.

        Raises UnknownNumber, TenantInvalid, or TenantsFileInvalid.
        """

    def agents(self) -> set[str]:
        """The agents that tenants name, for the worker to import before the first call."""
