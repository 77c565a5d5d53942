"""Encryption of audio in chunks, so that a part of it can be read, and nothing of it can be changed, moved or cut off.

    header   magic, the number of the tenant's key, a salt, the beginning of the nonces
    chunk    64 KiB, AES-256-GCM, with its tag; the last one is shorter, or empty

This is the STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance", 2015), as Tink has it. A nonce is seven bytes of the header, the chunk's number, and
whether it is the last one. Each object has a key of its own, derived from its tenant's key, the salt and its path.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CHUNK = 64 * 1024
TAG = 16
_HEADER = struct.Struct(">4sI16s7sx")
HEADER = _HEADER.size
_MAGIC = b"SWR1"
_PURPOSE = b"switchboard: recording\0"


class NotDecryptable(ValueError):
    """The object was encrypted with another key or for another path, or it was changed."""


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes of an encrypted object that hold a part of its content: those of whole chunks."""

    first_chunk: int
    begin: int
    end: int


def content_size(size: int) -> int:
    """Return the size of the content of an encrypted object of this size."""
    chunks = -(-(size - HEADER) // (CHUNK + TAG))
    return size - HEADER - chunks * TAG


def locate(begin: int, end: int, size: int) -> Span:
    """Return where the content's bytes from `begin` up to `end` are in an encrypted object of this size."""
    first, last = begin // CHUNK, max(begin, end - 1) // CHUNK
    return Span(first, HEADER + first * (CHUNK + TAG), min(size, HEADER + (last + 1) * (CHUNK + TAG)))


async def encrypt(content: AsyncIterator[bytes], *, key: bytes, number: int, path: str) -> AsyncIterator[bytes]:
    """Yield the encrypted object. `number`: of the tenant's key."""
    salt, prefix = secrets.token_bytes(16), secrets.token_bytes(7)
    cipher = _cipher(key, salt, path)
    yield _HEADER.pack(_MAGIC, number, salt, prefix)
    buffer, index = bytearray(), 0
    async for data in content:
        buffer += data
        # One byte more than a chunk shows that it is not the last one.
        while len(buffer) > CHUNK:
            yield cipher.encrypt(_nonce(prefix, index, last=False), bytes(buffer[:CHUNK]), None)
            del buffer[:CHUNK]
            index += 1
    yield cipher.encrypt(_nonce(prefix, index, last=True), bytes(buffer), None)


class Decryption:
    """The decryption of one object, from its header. Raises NotDecryptable."""

    def __init__(self, header: bytes, *, key: bytes, path: str, size: int) -> None:
        magic, _, salt, self._prefix = _HEADER.unpack(header)
        if magic != _MAGIC:
            raise NotDecryptable
        self._cipher = _cipher(key, salt, path)
        self._last = -(-(size - HEADER) // (CHUNK + TAG)) - 1

    def decrypt(self, index: int, chunk: bytes) -> bytes:
        """Return the content of a chunk."""
        try:
            return self._cipher.decrypt(_nonce(self._prefix, index, last=index == self._last), chunk, None)
        except InvalidTag:
            raise NotDecryptable from None


def key_number(header: bytes) -> int:
    """Return the number of the tenant's key with which an object was encrypted. Raises NotDecryptable."""
    if len(header) != HEADER or not header.startswith(_MAGIC):
        raise NotDecryptable
    return int(_HEADER.unpack(header)[1])


def _cipher(key: bytes, salt: bytes, path: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=salt, info=_PURPOSE + path.encode()).derive(key))


def _nonce(prefix: bytes, index: int, *, last: bool) -> bytes:
    return prefix + index.to_bytes(4, "big") + bytes([last])
