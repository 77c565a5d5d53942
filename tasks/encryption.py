"""Encryption at rest: Fernet, with key rotation, each content bound to its owner. And signatures of the rest.

Conversations and provider keys are encrypted with the encryption keys, which receivers do not have. An agent's metadata
comes from receivers and is read in calls, so its key is derived from what both have: the LiveKit secret. Links to
recordings are made and checked without the encryption keys, too.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tasks.settings import Settings

# Part of the key derivation: another text here makes everything in Redis undecryptable.
_ENCRYPTION = b"switchboard: encryption at rest"
_FINGERPRINT = b"switchboard: fingerprint"
_AGENT_METADATA = b"switchboard: agent metadata"
_RECORDING_LINKS = b"switchboard: links to recordings"
_SIGNATURE = b"switchboard: signature"

FINGERPRINT_DIGITS = 12


class SignatureState(StrEnum):
    """The result of checking a signature. BROKEN: none of the keys has made it for this content."""

    OF_THE_FIRST_KEY = "first key"
    OF_A_LATER_KEY = "later key"
    BROKEN = "broken"


class DecryptionFailed(ValueError):
    """The content was encrypted with a key that is not configured here or for another owner, or it is not encrypted."""


class Encryption:
    """Encryption with the keys of the settings. Every worker of an installation has the same keys.

    What was encrypted for one owner cannot be decrypted for another. The first key encrypts; every key decrypts.
    `keys`: others than the settings' encryption keys.
    """

    def __init__(self, settings: Settings, *, keys: Sequence[bytes] = ()) -> None:
        if not keys:
            configured = settings.tenants.encryption_keys
            if configured is None:
                keys = [_derive(settings.livekit.api_secret.get_secret_value().encode(), _ENCRYPTION)]
            else:
                keys = [key.strip() for key in configured.get_secret_value().encode().split(b",")]
        self._first = Fernet(keys[0])
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._fingerprint_key = _derive(keys[0], _FINGERPRINT)
        self._signature_keys = [_derive(key, _SIGNATURE) for key in keys]

    @classmethod
    def of_agent_metadata(cls, settings: Settings) -> Self:
        """Return the encryption of what receivers hand to the agents of calls."""
        return cls(settings, keys=_of_livekit_secrets(settings, _AGENT_METADATA))

    @classmethod
    def of_recording_links(cls, settings: Settings) -> Self:
        """Return what signs links to recordings, for the console and background workers."""
        return cls(settings, keys=_of_livekit_secrets(settings, _RECORDING_LINKS))

    def encrypt(self, owner: str, content: str) -> bytes:
        """Encrypt the content for its owner, with the first key."""
        return self._fernet.encrypt(json.dumps([owner, content]).encode())

    def decrypt(self, owner: str, encrypted: bytes) -> str:
        """Return the content. Raises DecryptionFailed."""
        try:
            encrypted_for, content = json.loads(self._fernet.decrypt(encrypted))
        except (InvalidToken, TypeError, ValueError) as error:
            raise DecryptionFailed from error
        if encrypted_for != owner:
            raise DecryptionFailed
        return str(content)

    def reencrypt(self, encrypted: bytes) -> bytes | None:
        """Return the content encrypted with the first key, or None if it is already. Raises DecryptionFailed."""
        try:
            self._first.decrypt(encrypted)
        except InvalidToken:
            try:
                return self._fernet.rotate(encrypted)
            except InvalidToken as error:
                raise DecryptionFailed from error
        return None

    def sign(self, owner: str, content: str) -> str:
        """Return an authentication code of the owner's content, with the first key. The content stays readable."""
        return _mac(self._signature_keys[0], owner, content)

    def check_signature(self, owner: str, content: str, signature: str) -> SignatureState:
        """Return whether a signature is one of this content."""
        presented = signature.encode()
        for index, key in enumerate(self._signature_keys):
            if hmac.compare_digest(_mac(key, owner, content).encode(), presented):
                return SignatureState.OF_A_LATER_KEY if index else SignatureState.OF_THE_FIRST_KEY
        return SignatureState.BROKEN

    def fingerprint(self, owner: str, content: str) -> str:
        """Return a keyed fingerprint of the owner's content. It reveals nothing without the first key.

        It is keyed because a short or weak content could otherwise be found by trying.
        """
        return _mac(self._fingerprint_key, owner, content)[:FINGERPRINT_DIGITS]


def agent_metadata_owner(room_name: str) -> str:
    """Return the owner of the metadata for the agent of a room: its name, as it may have no sid yet."""
    return f"agent metadata:{room_name}"


def _mac(key: bytes, owner: str, content: str) -> str:
    return hmac.new(key, json.dumps([owner, content]).encode(), "sha256").hexdigest()


def _of_livekit_secrets(settings: Settings, purpose: bytes) -> list[bytes]:
    """Return a key for each LiveKit secret. While it is replaced, the old one is among the keys for webhooks."""
    first = settings.livekit.api_secret.get_secret_value()
    secrets = [first, *(secret for secret in settings.livekit.signing_keys.values() if secret != first)]
    return [_derive(secret.encode(), purpose) for secret in secrets]


def _derive(secret: bytes, purpose: bytes) -> bytes:
    key = HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret)
    return base64.urlsafe_b64encode(key)
