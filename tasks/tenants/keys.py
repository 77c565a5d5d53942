"""Names of the Redis keys of tenants. Only this file and the package's docstring spell them."""

from __future__ import annotations

PREFIX = "switchboard:"
TENANTS = f"{PREFIX}tenants"
NUMBERS = f"{PREFIX}numbers"
PROVIDER_KEYS = f"{PREFIX}provider_keys"
SIGNATURES = f"{PREFIX}tenant_signatures"

PERMANENT = frozenset({TENANTS, NUMBERS, PROVIDER_KEYS, SIGNATURES})
