"""The idempotency key of a request, and what is stored under it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """An idempotency key: `digest` identifies the request, `fingerprint` its content."""

    digest: str
    fingerprint: str

    @classmethod
    def of(cls, *, secret: str, key: str, content: bytes) -> Self:
        """Return the key of the request that the holder of `secret` calls `key`. It reveals nothing without it."""
        return cls(_keyed(secret, b"key", key.encode()), _keyed(secret, b"content", content))


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A stored request. `made_at`: when it first came, unix seconds. `sid`: None until its room is open."""

    fingerprint: str
    room: str
    made_at: int
    sid: str | None


def _keyed(secret: str, purpose: bytes, content: bytes) -> str:
    return hmac.new(secret.encode(), purpose + b"\0" + content, hashlib.sha256).hexdigest()
