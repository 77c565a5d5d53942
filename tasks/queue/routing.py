"""Which tenant a room belongs to, and which queue a tier has."""

from __future__ import annotations

import json
import re
import secrets

from tasks.errors import NoTenant

_NAME = re.compile(r"call-(?P<tenant>[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*?)-[^-\s]+")
_RANDOM_BYTES = 8


def new_room_name(tenant: str) -> str:
    """A name that no room had before, and from which the tenant can be read: `call-<tenant>-<random>`.

    A tenant whose id does not go into a name, nor into a SIP address, is not in it.
    """
    random = secrets.token_hex(_RANDOM_BYTES)
    name = f"call-{tenant}-{random}"
    return name if _NAME.fullmatch(name) else f"call-{random}"


def tenant_of(*, name: str, metadata: str, default: str | None) -> str:
    """The tenant of a room: what its metadata says, else its name `call-<tenant>-<id>`, else the default.

    Raises NoTenant, which says what was wrong with the metadata.
    """
    tenant, problem = _in_metadata(metadata)
    if tenant:
        return tenant
    if match := _NAME.fullmatch(name):
        return match["tenant"]
    if default:
        return default
    raise NoTenant(metadata=problem)


def _in_metadata(metadata: str) -> tuple[str | None, str]:
    if not metadata:
        return None, "it has no metadata"
    try:
        content = json.loads(metadata)
    except ValueError:
        return None, "its metadata is not JSON"
    if not isinstance(content, dict):
        return None, "its metadata is not a JSON object"
    tenant = content.get("tenant_id")
    if not isinstance(tenant, str) or not tenant:
        return None, "its metadata has no tenant_id"
    return tenant, ""
