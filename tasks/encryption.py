"""What Redis keeps of conversations and of providers' keys is encrypted: Fernet, with rotation, bound to its owner."""

from __future__ import annotations

import base64
import hmac
import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tasks.settings import Settings

_ENCRYPTION = b"switchboard: encryption at rest"
_FINGERPRINT = b"switchboard: fingerprint"

FINGERPRINT_DIGITS = 12


class Broken(ValueError):
    """The content was sealed with a key that is not among ours, or for another owner, or is no seal at all."""


class Seal:
    """Seals what belongs to `owner`; nothing else opens it. Every worker of an installation has the same keys."""

    def __init__(self, settings: Settings) -> None:
        given = settings.encryption_keys
        secret = settings.livekit_api_secret.get_secret_value().encode()
        keys = [_derived(secret, _ENCRYPTION)] if given is None else given.get_secret_value().encode().split(b",")
        self._first = Fernet(keys[0].strip())
        self._fernet = MultiFernet([Fernet(key.strip()) for key in keys])
        self._fingerprint = _derived(keys[0].strip(), _FINGERPRINT)

    def close(self, owner: str, content: str) -> bytes:
        """Seal it."""
        return self._fernet.encrypt(json.dumps([owner, content]).encode())

    def open(self, owner: str, sealed: bytes) -> str:
        """What was sealed. Raises Broken."""
        try:
            found, content = json.loads(self._fernet.decrypt(sealed))
        except (InvalidToken, TypeError, ValueError) as error:
            raise Broken from error
        if found != owner:
            raise Broken
        return str(content)

    def renewed(self, sealed: bytes) -> bytes | None:
        """The same under the first key, or None if it is already. Raises Broken."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            try:
                return self._fernet.rotate(sealed)
            except InvalidToken as error:
                raise Broken from error
        return None

    def fingerprint(self, owner: str, content: str) -> str:
        """What tells one content of this owner from another, and tells nothing to who has not the first key.

        Without a key in it, a short or weak content could be found by trying.
        """
        message = json.dumps([owner, content]).encode()
        return hmac.new(self._fingerprint, message, "sha256").hexdigest()[:FINGERPRINT_DIGITS]


def _derived(secret: bytes, purpose: bytes) -> bytes:
    key = HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret)
    return base64.urlsafe_b64encode(key)
