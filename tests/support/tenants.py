"""Tenants in Redis for tests, without validation: also tenants that `switchboard tenants apply` would refuse."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from redis.asyncio import Redis

from tasks.encryption import Encryption
from tasks.settings import Settings
from tasks.tenants.admin import StoredTenant, TenantAdmin
from tasks.tenants.record_signer import RecordSigner


@dataclass(frozen=True)
class _Changes:
    put: Mapping[str, StoredTenant]
    removed: frozenset[str] = frozenset()


SECRET = "a-secret-that-is-long-enough-for-hs256"
"""The LiveKit secret of tests that do not say otherwise. Encryption keys are derived from it where there are none."""


def signer(*, secret: str = SECRET, encryption_keys: str | None = None) -> RecordSigner:
    """The signature of workers with this LiveKit secret or these encryption keys."""
    environment = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": secret}
    if encryption_keys is not None:
        environment["SWITCHBOARD_ENCRYPTION_KEYS"] = encryption_keys
    return RecordSigner(Encryption(Settings.read(environment)))


async def declare(client: Redis, toml: str, *, prune: bool = True, signed_by: RecordSigner | None = None) -> None:
    """Replace all tenants with these, or with `prune=False` add these. Keys stay references, as they are declared."""
    tables = tomllib.loads(toml).get("tenants", {})
    stored = {tenant: StoredTenant(table) for tenant, table in tables.items()}
    await TenantAdmin(client, signed_by or signer()).change(
        lambda before: _Changes(stored, frozenset(before.keys() - stored.keys()) if prune else frozenset())
    )
