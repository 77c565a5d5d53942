"""Contents of the database: JSON, compressed, and encrypted with a key of the tenant if that is on.

The first byte tells which: so the setting may change at any time, and what is there stays readable.
"""

from __future__ import annotations

import json
import secrets
import zlib
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ops.recordings.chunk_cipher import NotDecryptable

_PLAIN, _ENCRYPTED = b"\0", b"\1"
_NONCE = 12
_NUMBER = 4


@dataclass(frozen=True, slots=True, repr=False)
class KeySet:
    """The keys of a tenant, by their numbers. `current`: the number of the one that encrypts; None if none does."""

    keys: dict[int, bytes]
    current: int | None

    def key(self, number: int) -> bytes:
        """Return a key. Raises NotDecryptable if the tenant does not have it any more."""
        try:
            return self.keys[number]
        except KeyError:
            raise NotDecryptable from None


NO_KEYS = KeySet({}, None)


def pack(value: object, keys: KeySet, owner: str) -> bytes:
    """Return a JSON value for the database. What is encrypted for one owner cannot be decrypted for another."""
    compressed = zlib.compress(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
    if keys.current is None:
        return _PLAIN + compressed
    nonce = secrets.token_bytes(_NONCE)
    encrypted = AESGCM(keys.key(keys.current)).encrypt(nonce, compressed, owner.encode())
    return _ENCRYPTED + keys.current.to_bytes(_NUMBER, "big") + nonce + encrypted


def unpack(stored: bytes, keys: KeySet, owner: str) -> Any:
    """Return the JSON value. Raises NotDecryptable."""
    content = stored[1:]
    if stored[:1] == _ENCRYPTED:
        key = keys.key(int.from_bytes(content[:_NUMBER], "big"))
        nonce, encrypted = content[_NUMBER : _NUMBER + _NONCE], content[_NUMBER + _NONCE :]
        try:
            content = AESGCM(key).decrypt(nonce, encrypted, owner.encode())
        except InvalidTag:
            raise NotDecryptable from None
    return json.loads(zlib.decompress(content))
