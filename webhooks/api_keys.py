"""API keys of backends that create calls, and the tenants that each key is for.

`SWITCHBOARD_API_KEYS` holds hashes, never keys: `acme=sha256:<hex>,acme|bolt=sha256:<hex>`, and `*=sha256:<hex>` for a
key that is valid for every tenant. A tenant may have several keys, which is how keys are rotated. A plain SHA-256 is
enough because a key is a long random string, which cannot be guessed, and not a password.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from tasks.errors import InvalidSetting

_HASH = re.compile(r"sha256:([0-9a-f]{64})")
EVERY_TENANT = "*"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One API key: its tenants and its hash."""

    tenants: frozenset[str]
    sha256: str = field(repr=False)

    def allows(self, tenant: str) -> bool:
        """Return whether the key may create calls of this tenant."""
        return EVERY_TENANT in self.tenants or tenant in self.tenants


class ApiKeys:
    """All API keys of an installation."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def parse(cls, setting: str) -> Self:
        """Parse the value of `SWITCHBOARD_API_KEYS`. Raises InvalidSetting."""
        return cls([_parse(item.strip()) for item in setting.split(",") if item.strip()])

    def __bool__(self) -> bool:
        return bool(self._keys)

    def find(self, presented: str) -> ApiKey | None:
        """Return the key that a client has presented, or None. Takes the same time for every key."""
        digest = hashlib.sha256(presented.encode()).hexdigest()
        matching = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, digest):
                matching = key
        return matching


def _parse(item: str) -> ApiKey:
    tenants, _, digest = item.partition("=")
    named = frozenset(filter(None, (tenant.strip() for tenant in tenants.split("|"))))
    match = _HASH.fullmatch(digest.strip())
    if not named or not match:
        # The value may be the key itself, written there by mistake. It must not get into a log.
        cure = "write it as tenant=sha256:<64 hex digits>, tenant|tenant=…, or *=…"
        raise InvalidSetting(name="SWITCHBOARD_API_KEYS", value="***", cure=cure)
    return ApiKey(named, match[1])
