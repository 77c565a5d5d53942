"""The key of each tenant, with which its recordings are encrypted.

It is random, made with the tenant's first recording, and in the database, encrypted with the first of
SWITCHBOARD_ENCRYPTION_KEYS for this tenant alone. So these can be rotated without touching a recording, and database
and bucket together tell nothing without them.
"""

from __future__ import annotations

import base64
import secrets

from sqlalchemy import select, update

from ops.recordings.content import NO_KEYS, KeySet
from tasks.encryption import DecryptionFailed, Encryption
from tasks.errors import SwitchboardError
from tasks.records import Database
from tasks.records.insertion import insert_missing
from tasks.records.models.recordings import TenantKey
from tasks.settings.process import now_ms

KEY_BYTES = 32
FIRST = 1


class TenantKeyUnreadable(SwitchboardError):
    """The key of tenant {tenant!r} cannot be decrypted, with which its recordings are encrypted.

    Give the console the SWITCHBOARD_ENCRYPTION_KEYS with which it was encrypted, after the new one if they are rotated.
    """


class TenantKeys:
    """The keys of all tenants. `encrypting`: what is written is encrypted; else only what is there is decrypted."""

    def __init__(self, database: Database, encryption: Encryption, *, encrypting: bool) -> None:
        self._database = database
        self._encryption = encryption
        self._encrypting = encrypting
        self._known: dict[str, KeySet] = {}

    async def of(self, tenant: str) -> KeySet:
        """Return the keys of a tenant. Raises TenantKeyUnreadable, and what the database raises."""
        keys = self._known.get(tenant)
        if keys is None:
            keys = await self._read(tenant)
            if self._encrypting and not keys.keys:
                await self._create(tenant)
                # Another console may have been first.
                keys = await self._read(tenant)
            if keys.keys:
                self._known[tenant] = keys
        return keys

    async def reencrypt(self) -> int:
        """Encrypt all keys with the first encryption key. Returns the number of those that were not. Raises as `of`."""
        changed = 0
        async with self._database.transaction() as connection:
            for row in (await connection.execute(select(TenantKey.__table__))).all():
                try:
                    encrypted = self._encryption.reencrypt(row.encrypted.encode())
                except DecryptionFailed:
                    raise TenantKeyUnreadable(tenant=row.tenant) from None
                if encrypted is not None:
                    of_row = (TenantKey.tenant == row.tenant, TenantKey.number == row.number)
                    await connection.execute(update(TenantKey).where(*of_row).values(encrypted=encrypted.decode()))
                    changed += 1
        return changed

    async def _read(self, tenant: str) -> KeySet:
        async with self._database.transaction() as connection:
            rows = (await connection.execute(select(TenantKey.__table__).where(TenantKey.tenant == tenant))).all()
        if not rows:
            return NO_KEYS
        try:
            keys = {
                row.number: base64.b64decode(self._encryption.decrypt(_owner(tenant), row.encrypted.encode()))
                for row in rows
            }
        except DecryptionFailed:
            raise TenantKeyUnreadable(tenant=tenant) from None
        return KeySet(keys, max(keys) if self._encrypting else None)

    async def _create(self, tenant: str) -> None:
        key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
        row = {
            "tenant": tenant,
            "number": FIRST,
            "encrypted": self._encryption.encrypt(_owner(tenant), key).decode(),
            "created_ms": now_ms(),
        }
        async with self._database.transaction() as connection:
            await insert_missing(connection, TenantKey, [row])


def _owner(tenant: str) -> str:
    # A provider key's owner begins with `key:`, and a conversation's is its room's sid.
    return f"recordings:{tenant}"
