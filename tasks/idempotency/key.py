"""A request that makes one call."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Once:
    """How a request is known again: by `digest`. `fingerprint` tells what it asks for from anything else."""

    digest: str
    fingerprint: str

    @classmethod
    def of(cls, *, secret: str, key: str, content: bytes) -> Self:
        """The request that whoever has `secret` calls `key`. Nothing can be learnt from it without the secret."""
        return cls(_keyed(secret, b"key", key.encode()), _keyed(secret, b"content", content))


@dataclass(frozen=True, slots=True)
class Request:
    """What is kept of a request: `made_at`, when it first came, unix seconds; `sid`, None until the room is open."""

    fingerprint: str
    room: str
    made_at: int
    sid: str | None


def _keyed(secret: str, purpose: bytes, content: bytes) -> str:
    return hmac.new(secret.encode(), purpose + b"\0" + content, hashlib.sha256).hexdigest()
