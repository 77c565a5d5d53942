"""Encryption of provider keys, each bound to its tenant and to its table in the tenant."""

from __future__ import annotations

from tasks.encryption import Encryption
from tasks.tenants.tenant import ENCRYPTED


class ProviderKeyCipher:
    """Encrypts and decrypts provider keys. `path` is the path of the key's table in its tenant: see `Tenant.tables`."""

    def __init__(self, encryption: Encryption) -> None:
        self._encryption = encryption

    def encrypt(self, tenant: str, path: str, value: str) -> str:
        """Encrypt a key. It cannot be decrypted for another tenant or another path."""
        return self._encryption.encrypt(_owner(tenant, path), value).decode("ascii")

    def decrypt(self, tenant: str, path: str, encrypted: str) -> str:
        """Return the key. Raises DecryptionFailed."""
        return self._encryption.decrypt(_owner(tenant, path), encrypted.encode())

    def reencrypt(self, encrypted: str) -> str | None:
        """Return the key encrypted with the first encryption key, or None if it is already. Raises DecryptionFailed."""
        reencrypted = self._encryption.reencrypt(encrypted.encode())
        return None if reencrypted is None else reencrypted.decode("ascii")

    def reference(self, tenant: str, path: str, value: str) -> str:
        """Return the text that stands for the key in the tenant's record: that it is encrypted, and its fingerprint."""
        return f"{ENCRYPTED}{self._encryption.fingerprint(_owner(tenant, path), value)}"


def _owner(tenant: str, path: str) -> str:
    # A path has no colon, so no two pairs make the same owner. A conversation's owner is its room's sid: RM_….
    return f"key:{path}:{tenant}"
