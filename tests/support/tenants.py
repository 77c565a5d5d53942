"""Tenants in Redis for tests, without validation: also tenants that `switchboard tenants apply` would refuse."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from redis.asyncio import Redis

from tasks.tenants.admin import StoredTenant, TenantAdmin


@dataclass(frozen=True)
class _Changes:
    put: Mapping[str, StoredTenant]
    removed: frozenset[str] = frozenset()


async def declare(client: Redis, toml: str, *, prune: bool = True) -> None:
    """Replace all tenants with these, or with `prune=False` add these. Keys stay references, as they are declared."""
    tables = tomllib.loads(toml).get("tenants", {})
    stored = {tenant: StoredTenant(table) for tenant, table in tables.items()}
    await TenantAdmin(client).change(
        lambda before: _Changes(stored, frozenset(before.keys() - stored.keys()) if prune else frozenset())
    )
