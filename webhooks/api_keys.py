"""Who may make calls, and for which tenants.

`SWITCHBOARD_API_KEYS` holds no key, only what tells whether one is right: `acme=sha256:<hex>,acme|bolt=sha256:<hex>`,
`*=sha256:<hex>` for a key that is good for every tenant. A tenant may have several, which is how keys are rotated. A
plain SHA-256 is enough because a key is a long random string, which nobody can guess, and not a password.
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
    """One key: which tenants it is for, and its hash."""

    tenants: frozenset[str]
    sha256: str = field(repr=False)

    def allows(self, tenant: str) -> bool:
        """Whether it may make calls of this tenant."""
        return EVERY_TENANT in self.tenants or tenant in self.tenants


class ApiKeys:
    """All keys of an installation."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def parse(cls, setting: str) -> Self:
        """The keys that `SWITCHBOARD_API_KEYS` lists. Raises InvalidSetting."""
        return cls([_parse(item.strip()) for item in setting.split(",") if item.strip()])

    def __bool__(self) -> bool:
        return bool(self._keys)

    def find(self, presented: str) -> ApiKey | None:
        """The key that was presented, or None. It takes as long whichever it is."""
        digest = hashlib.sha256(presented.encode()).hexdigest()
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found


def _parse(item: str) -> ApiKey:
    tenants, _, digest = item.partition("=")
    named = frozenset(filter(None, (tenant.strip() for tenant in tenants.split("|"))))
    match = _HASH.fullmatch(digest.strip())
    if not named or not match:
        # Whoever wrote the key itself there must not find it in a log.
        cure = "write it as tenant=sha256:<64 hex digits>, tenant|tenant=…, or *=…"
        raise InvalidSetting(name="SWITCHBOARD_API_KEYS", value="***", cure=cure)
    return ApiKey(named, match[1])
