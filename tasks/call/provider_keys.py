"""A tenant's provider keys, decrypted or read from their source only in the child that runs the call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.options import Secret
from tasks.call import redaction
from tasks.encryption import DecryptionFailed, Encryption
from tasks.errors import KeyUnreadable
from tasks.tenants import key_source
from tasks.tenants.key_cipher import ProviderKeyCipher
from tasks.tenants.key_source import KeySource
from tasks.tenants.tenant import ENCRYPTED

if TYPE_CHECKING:
    from tasks.settings import Settings
    from tasks.tenants import Tenant

KEY_MISSING = "Redis does not have it; apply the tenants file again: switchboard tenants apply"
WRONG_ENCRYPTION_KEY = (
    "it was encrypted with an encryption key that this worker does not have. Give the worker the "
    "SWITCHBOARD_ENCRYPTION_KEYS (or, if there are none, the LIVEKIT_API_SECRET) that `switchboard tenants apply` had, "
    "or apply the tenants file again with the worker's"
)


async def provider_keys(tenant: Tenant, encrypted_keys: Mapping[str, str], settings: Settings) -> dict[str, Secret]:
    """Return the tenant's provider keys, by the path of their table, such as `llm` or `stt.fallbacks.0`.

    Raises KeyUnreadable, KeySourceUnavailable, or InvalidSetting.
    """
    cipher = ProviderKeyCipher(Encryption(settings))
    source = key_source.load(settings)
    references = {path: table.key for path, table in tenant.tables() if table.key is not None}

    async def value_of(path: str, reference: str) -> str:
        if reference.startswith(ENCRYPTED):
            return _decrypt(cipher, tenant.id, path, encrypted_keys.get(path))
        return await _read(source, reference, tenant=tenant.id, field=_field(path))

    values = await asyncio.gather(*(value_of(path, reference) for path, reference in references.items()))
    secrets = {path: Secret(value) for path, value in zip(references, values, strict=True)}
    redaction.keep_out(secrets.values())
    return secrets


def _decrypt(cipher: ProviderKeyCipher, tenant: str, path: str, encrypted: str | None) -> str:
    if encrypted is None:
        raise KeyUnreadable(tenant=tenant, field=_field(path), problem=KEY_MISSING)
    try:
        return cipher.decrypt(tenant, path, encrypted)
    except DecryptionFailed as error:
        raise KeyUnreadable(tenant=tenant, field=_field(path), problem=WRONG_ENCRYPTION_KEY) from error


async def _read(source: KeySource | None, reference: str, *, tenant: str, field: str) -> str:
    scheme, _, location = reference.partition(":")
    if source is None or source.scheme != scheme:
        problem = f"no key source for {scheme}:…; set SWITCHBOARD_KEY_SOURCE of the worker to a source that reads it"
        raise KeyUnreadable(tenant=tenant, field=field, problem=problem)
    return await key_source.read(source, location, tenant=tenant, field=field)


def _field(path: str) -> str:
    return f"[{path}] key"
