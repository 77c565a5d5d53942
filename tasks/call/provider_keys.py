"""The values of a tenant's keys, in the process that runs its call and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.options import Secret
from tasks.encryption import Broken, Seal
from tasks.errors import KeyUnreadable
from tasks.tenants import key_source
from tasks.tenants.key_cipher import KeyRing
from tasks.tenants.key_source import KeySource
from tasks.tenants.tenant import SEALED

if TYPE_CHECKING:
    from tasks.settings import Settings
    from tasks.tenants import Tenant

NOT_THERE = "Redis does not have it; apply the tenants file again: switchboard tenants apply"
NOT_OURS = (
    "it was sealed with an encryption key that this worker does not have. Give the worker the "
    "SWITCHBOARD_ENCRYPTION_KEYS (or, if there are none, the LIVEKIT_API_SECRET) that `switchboard tenants apply` had, "
    "or apply the tenants file again with the worker's"
)


async def provider_keys(tenant: Tenant, sealed: Mapping[str, str], settings: Settings) -> dict[str, Secret]:
    """The value of each of the tenant's keys, by its slot.

    Raises KeyUnreadable, KeySourceUnavailable, or InvalidSetting.
    """
    ring = KeyRing(Seal(settings))
    source = key_source.load(settings)
    references = {slot: table.key for slot, table in tenant.tables() if table.key is not None}

    async def value(slot: str, reference: str) -> str:
        if reference.startswith(SEALED):
            return _opened(ring, tenant.id, slot, sealed.get(slot))
        return await _asked(source, reference, tenant=tenant.id, field=_field(slot))

    values = await asyncio.gather(*(value(slot, reference) for slot, reference in references.items()))
    return {slot: Secret(found) for slot, found in zip(references, values, strict=True)}


def _opened(ring: KeyRing, tenant: str, slot: str, sealed: str | None) -> str:
    if sealed is None:
        raise KeyUnreadable(tenant=tenant, field=_field(slot), problem=NOT_THERE)
    try:
        return ring.open(tenant, slot, sealed)
    except Broken as error:
        raise KeyUnreadable(tenant=tenant, field=_field(slot), problem=NOT_OURS) from error


async def _asked(source: KeySource | None, reference: str, *, tenant: str, field: str) -> str:
    scheme, _, place = reference.partition(":")
    if source is None or source.scheme != scheme:
        problem = f"nobody here reads {scheme}:…; set SWITCHBOARD_KEY_SOURCE of the worker to a source that does"
        raise KeyUnreadable(tenant=tenant, field=field, problem=problem)
    return await key_source.read(source, place, tenant=tenant, field=field)


def _field(slot: str) -> str:
    return f"[{slot}] key"
