"""Tenants: who may be called, in which tier, and with which agent.

`TenantStore` is all that the rest of the system knows of where they are kept.
"""

from __future__ import annotations

from tasks.tenants.file import TomlTenants
from tasks.tenants.store import TenantStore
from tasks.tenants.tenant import ProviderTable, Tenant

__all__ = ["ProviderTable", "Tenant", "TenantStore", "TomlTenants"]
