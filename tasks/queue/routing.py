"""The tenant of a room, from its metadata or its name; and names for new rooms."""

from __future__ import annotations

import json
import re
import secrets

from tasks.errors import NoTenant

_NAME = re.compile(r"call-(?P<tenant>[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*?)-[^-\s]+")
_RANDOM_BYTES = 8


def new_room_name(tenant: str) -> str:
    """Return a new room name that contains the tenant: `call-<tenant>-<random>`.

    A tenant id that cannot be part of a room name, or of a SIP address, is left out.
    """
    random = secrets.token_hex(_RANDOM_BYTES)
    name = f"call-{tenant}-{random}"
    return name if _NAME.fullmatch(name) else f"call-{random}"


def tenant_of(*, name: str, metadata: str, default: str | None) -> str:
    """Return the tenant of a room: from its metadata, else from its name `call-<tenant>-<id>`, else the default.

    Raises NoTenant, which names the problem of the metadata.
    """
    tenant, problem = _in_metadata(metadata)
    if tenant:
        return tenant
    if match := _NAME.fullmatch(name):
        return match["tenant"]
    if default:
        return default
    raise NoTenant(metadata=problem)


def metadata_names_tenant(metadata: str) -> bool:
    """Return whether the metadata names a tenant, whether there is such a tenant or not."""
    return _in_metadata(metadata)[0] is not None


def _in_metadata(metadata: str) -> tuple[str | None, str]:
    if not metadata:
        return None, "it has no metadata"
    try:
        content = json.loads(metadata)
    except (ValueError, RecursionError):
        # RecursionError: metadata can nest a hundred thousand brackets.
        return None, "its metadata is not JSON"
    if not isinstance(content, dict):
        return None, "its metadata is not a JSON object"
    tenant = content.get("tenant_id")
    if not isinstance(tenant, str) or not tenant:
        return None, "its metadata has no tenant_id"
    if any("\ud800" <= character <= "\udfff" for character in tenant):
        # JSON can escape what UTF-8 cannot encode.
        return None, "its tenant_id is not text"
    return tenant, ""
