"""The keys that Redis keeps: each is sealed to its tenant and its table, and opens in no other's place."""

from __future__ import annotations

from tasks.encryption import Seal
from tasks.tenants.tenant import SEALED


class KeyRing:
    """Seals and opens the keys of tenants. `slot` is the place of a key in its tenant: see `Tenant.tables`."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def close(self, tenant: str, slot: str, value: str) -> str:
        """Seal a key. Another tenant, or another slot, does not open it."""
        return self._seal.close(_owner(tenant, slot), value).decode("ascii")

    def open(self, tenant: str, slot: str, sealed: str) -> str:
        """The key. Raises Broken."""
        return self._seal.open(_owner(tenant, slot), sealed.encode())

    def renewed(self, sealed: str) -> str | None:
        """The same under the first encryption key, or None if it is already. Raises Broken."""
        renewed = self._seal.renewed(sealed.encode())
        return None if renewed is None else renewed.decode("ascii")

    def reference(self, tenant: str, slot: str, value: str) -> str:
        """What stands in the tenant's record in the place of the key: that it is sealed, and its fingerprint."""
        return f"{SEALED}{self._seal.fingerprint(_owner(tenant, slot), value)}"


def _owner(tenant: str, slot: str) -> str:
    # A slot has no colon, so no two pairs make one owner. What owns a conversation is a room's sid: RM_….
    return f"key:{slot}:{tenant}"
