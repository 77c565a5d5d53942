"""Names of the Redis keys of tenants and of API keys. Only this file and the package's docstring spell them."""

from __future__ import annotations

PREFIX = "switchboard:"
TENANTS = f"{PREFIX}tenants"
NUMBERS = f"{PREFIX}numbers"
PROVIDER_KEYS = f"{PREFIX}provider_keys"
SIGNATURES = f"{PREFIX}tenant_signatures"
API_KEYS = f"{PREFIX}api_keys"
API_KEY_USES = f"{PREFIX}api_key_uses"

PERMANENT = frozenset({TENANTS, NUMBERS, PROVIDER_KEYS, SIGNATURES, API_KEYS, API_KEY_USES})
