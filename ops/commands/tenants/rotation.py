"""Key rotation: provider keys encrypted again with the first encryption key, so that the others can be dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ops.commands.tenants.problem import Problem
from tasks.encryption import DecryptionFailed, SignatureState
from tasks.tenants.admin import StoredTenant
from tasks.tenants.key_cipher import ProviderKeyCipher

NOT_SIGNED = "its record is not signed with these encryption keys; apply the tenants file again"
UNREADABLE = "it cannot be decrypted with these encryption keys; apply the tenants file again, with --reencrypt"


@dataclass(frozen=True, slots=True)
class Rotation:
    """Changes to be written (see `tasks.tenants.admin.TenantChanges`), and counts of keys.

    `failed`: keys that could not be decrypted, and that stay as they are.
    """

    put: Mapping[str, StoredTenant]
    reencrypted: int
    unchanged: int
    failed: tuple[Problem, ...]
    removed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, cipher: ProviderKeyCipher, before: Mapping[str, StoredTenant]) -> Rotation:
        """Return the rotation of the keys of these tenants."""
        put: dict[str, StoredTenant] = {}
        reencrypted = unchanged = 0
        failed: list[Problem] = []
        for tenant, stored in before.items():
            if stored.signature is SignatureState.BROKEN:
                # Not signed here: that would vouch for a record that another program may have written.
                failed.append(Problem(tenant, "", NOT_SIGNED))
                continue
            new_keys: dict[str, str] = {}
            for path, encrypted in stored.encrypted_keys.items():
                try:
                    new = cipher.reencrypt(encrypted)
                except DecryptionFailed:
                    failed.append(Problem(tenant, "key", UNREADABLE, path))
                    continue
                if new is None:
                    unchanged += 1
                else:
                    new_keys[path] = new
            reencrypted += len(new_keys)
            if new_keys or stored.signature is SignatureState.OF_A_LATER_KEY:
                put[tenant] = StoredTenant(stored.record, {**stored.encrypted_keys, **new_keys})
        return cls(put, reencrypted, unchanged, tuple(failed))
