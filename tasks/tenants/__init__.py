"""Tenants: who may be called, in which tier, with which agent, providers and keys.

Redis is where they are; a file is what they are declared in, and `switchboard tenants apply` brings the one to say what
the other does. Receivers and calls ask Redis each time, so that a change counts from the next call on.

    tenant      the model: what may be declared
    store       what the rest of the system knows of where tenants are kept
    redis       tenants in Redis, read one at a time
    ledger      all of them at once, and changes to them: for operators
    key_ring    what seals a provider's key to its tenant and table, and tells it apart from others

The keyspace, all of it permanent. Nothing but the ledger writes it, always in one transaction:

    switchboard:tenants   hash   id -> the tenant as JSON, without defaults; a key is `sealed:<fingerprint>` there
    switchboard:numbers   hash   telephone number -> id
    switchboard:sealed    hash   id -> JSON of slot -> key, sealed; a slot is `stt`, `llm.fallbacks.0`, …

A webhook costs one HGET of `tenants`. `sealed` is a hash of its own so that receivers never load what they need not
have; a call reads both in one round trip, and its process alone opens the keys.
"""

from __future__ import annotations

from tasks.tenants.reader import RedisTenants
from tasks.tenants.store import TenantStore
from tasks.tenants.tenant import ProviderTable, Tenant

__all__ = ["ProviderTable", "RedisTenants", "Tenant", "TenantStore"]
