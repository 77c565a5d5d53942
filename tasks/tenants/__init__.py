"""Tenants: companies whose callers are answered, each with its tier, limit, agent, providers and keys.

Tenants are declared in a file and stored in Redis: `switchboard tenants apply` writes what the file declares. Receivers
and calls read Redis each time, so that a change counts from the next call on.

    tenant      the model: everything that may be declared
    reader      one tenant at a time, for receivers and calls
    admin       all tenants at once, and changes to them, for operators
    key_cipher  encryption of provider keys, bound to their tenant and table
    key_source  provider keys from a store of the installation's own
    record_signer  the signature of a tenant's record, and its check
    api_keys    API keys of backends: their tenants, scopes and expiry
    api_key_store   the API keys in Redis: looked up, created, revoked
    keys        names of the Redis keys

The keyspace is permanent. Only `admin` writes the first four, always in one transaction:

    switchboard:tenants        hash  id -> the tenant as JSON, without defaults; a key is `encrypted:<fingerprint>`
    switchboard:numbers        hash  telephone number -> id
    switchboard:provider_keys  hash  id -> JSON of path -> encrypted key; a path is `stt`, `llm.fallbacks.0`, …
    switchboard:tenant_signatures   hash  id -> the signature of its record and its encrypted keys
    switchboard:api_keys       hash  id -> an API key as JSON, with its hash; only `api_key_store` writes it
    switchboard:api_key_uses   hash  id -> when an API key was used last, unix s; receivers write it

A webhook costs one HGET of `tenants`. `provider_keys` is a hash of its own so that receivers never load keys. A call
reads record, keys and signature in one round trip. Only its child checks the signature and decrypts the keys.
"""

from __future__ import annotations

from tasks.tenants.reader import TenantReader
from tasks.tenants.tenant import ProviderTable, Tenant

__all__ = ["ProviderTable", "Tenant", "TenantReader"]
