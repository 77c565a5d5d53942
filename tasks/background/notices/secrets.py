"""A tenant's secrets for notices, decrypted or read from their source only where a notice is signed."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.background.notices.signature import is_secret
from tasks.encryption import DecryptionFailed, Encryption
from tasks.errors import KeyUnreadable
from tasks.settings import Settings
from tasks.tenants import key_source
from tasks.tenants.key_cipher import ProviderKeyCipher
from tasks.tenants.notices_table import NoticesTable
from tasks.tenants.tenant import ENCRYPTED

MISSING = "Redis does not have it; apply the tenants file again: switchboard tenants apply"
WRONG_ENCRYPTION_KEY = (
    "it was encrypted with an encryption key that this background worker does not have; give it the workers' "
    "SWITCHBOARD_ENCRYPTION_KEYS"
)
NO_SOURCE = "no key source has its scheme; set SWITCHBOARD_KEY_SOURCE of the background worker as workers have it"
NO_SECRET = "the key source has something else there than whsec_ and 24 to 64 bytes in base64"  # noqa: S105 - none


async def tenant_secrets(
    tenant: str, table: NoticesTable, encrypted: Mapping[str, str], settings: Settings
) -> list[str]:
    """Return the secrets, the first one first. Raises KeyUnreadable, KeySourceUnavailable or InvalidSetting."""
    return [
        await _secret(tenant, path, reference, encrypted.get(path), settings) for path, reference in table.references()
    ]


async def _secret(tenant: str, path: str, reference: str, encrypted: str | None, settings: Settings) -> str:
    field = f"[{path}] key"
    if not reference.startswith(ENCRYPTED):
        source = key_source.load(settings)
        scheme, _, location = reference.partition(":")
        if source is None or source.scheme != scheme:
            raise KeyUnreadable(tenant=tenant, field=field, problem=NO_SOURCE)
        secret = await key_source.read(source, location, tenant=tenant, field=field)
        if not is_secret(secret):
            raise KeyUnreadable(tenant=tenant, field=field, problem=NO_SECRET)
        return secret
    if encrypted is None:
        raise KeyUnreadable(tenant=tenant, field=field, problem=MISSING)
    try:
        return ProviderKeyCipher(Encryption(settings)).decrypt(tenant, path, encrypted)
    except DecryptionFailed as error:
        raise KeyUnreadable(tenant=tenant, field=field, problem=WRONG_ENCRYPTION_KEY) from error
