"""API keys of backends: the tenants and the scopes of each, and the two places in which they are declared.

A key is `swb_<id>_<secret>`. The id finds its record in one read; of the rest only a hash is kept. A plain SHA-256 is
enough because a key is a long random string, which cannot be guessed, and not a password.

`switchboard keys` keeps them in Redis (`tasks.tenants.api_key_store`): with scopes and expiry, and without a restart.
`SWITCHBOARD_API_KEYS` declares more of them in the environment of the receivers, for installations that are configured
by it: `acme=sha256:<hex>,acme|bolt=sha256:<hex>`, and `*=sha256:<hex>` for every tenant. Such a key may be any long
random string, creates calls alone, and does not expire.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from tasks.errors import InvalidSetting

EVERY_TENANT = "*"
ID_BYTES = 8
SECRET_BYTES = 32

_CONFIGURED = "setting:"
_KEY = re.compile(rf"swb_([0-9a-f]{{{2 * ID_BYTES}}})_[0-9a-f]{{{2 * SECRET_BYTES}}}")
_HASH = re.compile(r"sha256:([0-9a-f]{64})")


class Scope(StrEnum):
    """A right of an API key.

    CALLS_CREATE: create calls. CALLS_READ: list calls, and what is known of each; concurrency. CALLS_OPERATE: end a
    call. CALLS_ERASE: erase what is kept of a call. USAGE_READ: sums of usage.
    """

    CALLS_CREATE = "calls:create"
    CALLS_READ = "calls:read"
    CALLS_OPERATE = "calls:operate"
    CALLS_ERASE = "calls:erase"
    USAGE_READ = "usage:read"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One API key, without its secret. Times are unix seconds; `expires_at` is None for never.

    `name`: the operator's, to tell it from others.
    """

    id: str
    sha256: str = field(repr=False)
    tenants: frozenset[str]
    scopes: frozenset[Scope]
    name: str = ""
    created_at: int | None = None
    expires_at: int | None = None

    @property
    def is_for_every_tenant(self) -> bool:
        """True if it is valid for each tenant that there is and will be."""
        return EVERY_TENANT in self.tenants

    @property
    def is_configured(self) -> bool:
        """True if it is declared in the environment, and so not in Redis."""
        return self.id.startswith(_CONFIGURED)

    def allows(self, tenant: str) -> bool:
        """Return whether the key is valid for this tenant."""
        return self.is_for_every_tenant or tenant in self.tenants

    def is_expired(self, now: float) -> bool:
        """Return whether the key is not valid any more at this time."""
        return self.expires_at is not None and now >= self.expires_at

    def is_made_of(self, presented: str) -> bool:
        """Return whether this is the key that a client has presented. Takes the same time for every key."""
        return hmac.compare_digest(self.sha256, digest(presented))

    def to_json(self) -> str:
        """Return its record, as Redis has it under its id."""
        record = {
            "sha256": self.sha256,
            "tenants": sorted(self.tenants),
            "scopes": sorted(self.scopes),
            "name": self.name,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
        }
        return json.dumps(record, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, key_id: str, content: str) -> Self | None:
        """Return the key of a record, or None if the record is not readable: then it is nobody's."""
        try:
            record: Mapping[str, Any] = json.loads(content)
            expires_at = record["expires_at"]
            return cls(
                id=key_id,
                sha256=str(record["sha256"]),
                tenants=frozenset(map(str, record["tenants"])),
                # One that a newer version has added gives no right here.
                scopes=known_scopes(record["scopes"]),
                name=str(record.get("name", "")),
                created_at=record.get("created_at"),
                expires_at=None if expires_at is None else int(expires_at),
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None


def known_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Return those of the scopes that this version knows."""
    return frozenset(Scope(name) for name in names if name in set(Scope))


def digest(key: str) -> str:
    """Return the hash of a key that is kept in its stead."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_key() -> tuple[str, str]:
    """Return a new id, and the key that has it."""
    key_id = secrets.token_hex(ID_BYTES)
    return key_id, f"swb_{key_id}_{secrets.token_hex(SECRET_BYTES)}"


def id_of(key: str) -> str | None:
    """Return the id in a key; None if it has not the form of those in Redis."""
    match = _KEY.fullmatch(key)
    return match[1] if match else None


class ConfiguredKeys:
    """The API keys of `SWITCHBOARD_API_KEYS`."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def parse(cls, setting: str) -> Self:
        """Parse the value of the setting. Raises InvalidSetting."""
        return cls([_parse(item.strip()) for item in setting.split(",") if item.strip()])

    def find(self, presented: str) -> ApiKey | None:
        """Return the key that a client has presented, or None. Takes the same time for every key."""
        matching = None
        for key in self._keys:
            if key.is_made_of(presented):
                matching = key
        return matching


def _parse(item: str) -> ApiKey:
    tenants, _, hashed = item.partition("=")
    named = frozenset(filter(None, (tenant.strip() for tenant in tenants.split("|"))))
    match = _HASH.fullmatch(hashed.strip())
    if not named or not match:
        # The value may be the key itself, written there by mistake. It must not get into a log.
        cure = "write it as tenant=sha256:<64 hex digits>, tenant|tenant=…, or *=…"
        raise InvalidSetting(name="SWITCHBOARD_API_KEYS", value="***", cure=cure)
    return ApiKey(
        id=f"{_CONFIGURED}{match[1][: 2 * ID_BYTES]}",
        sha256=match[1],
        tenants=named,
        scopes=frozenset({Scope.CALLS_CREATE}),
        name="SWITCHBOARD_API_KEYS",
    )
