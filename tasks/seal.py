"""What Redis keeps of a conversation is encrypted: Fernet, with rotation, and bound to its room."""

from __future__ import annotations

import base64
import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tasks.errors import InvalidSetting
from tasks.settings import Settings

_PURPOSE = b"switchboard: encryption at rest"


class Broken(ValueError):
    """The content was sealed with a key that is not among ours, or for another owner, or is no seal at all."""


class Seal:
    """Seals what belongs to `owner`; nothing else opens it. Every worker of an installation has the same keys."""

    def __init__(self, settings: Settings) -> None:
        """Raises InvalidSetting."""
        given = settings.encryption_keys
        secret = settings.livekit_api_secret.get_secret_value()
        keys = [_derived(secret)] if given is None else given.get_secret_value().encode().split(b",")
        try:
            self._fernet = MultiFernet([Fernet(key.strip()) for key in keys])
        except ValueError as error:
            raise InvalidSetting(
                name="SWITCHBOARD_ENCRYPTION_KEYS", value="***", cure="each key is 32 bytes in URL-safe base64"
            ) from error

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


def _derived(secret: str) -> bytes:
    key = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return base64.urlsafe_b64encode(key)
