"""The signature of a tenant's record, so that a call follows only what `switchboard tenants apply` has written.

The record says where a provider's key is sent (`base_url`) and which code is imported (`agent`, `graph`). A program
that can write to Redis could change both. So the record and the encrypted keys are signed together, with the encryption
keys, which only workers and `switchboard tenants` have. The signature is of the texts as Redis stores them.

It does not tell that a record is the latest one: an earlier record can be put back, with its keys and its signature.
"""

from __future__ import annotations

import json

from tasks.encryption import Encryption, SignatureState
from tasks.errors import TenantNotSigned

NO_KEYS = "{}"
"""The text of the encrypted keys of a tenant that has none."""


class RecordSigner:
    """Signs records, and checks signatures."""

    def __init__(self, encryption: Encryption) -> None:
        self._encryption = encryption

    def sign(self, tenant: str, record: str, encrypted_keys: str = NO_KEYS) -> str:
        """Return the signature of a record, in JSON, and its encrypted keys, in JSON."""
        return self._encryption.sign(_owner(tenant), _content(record, encrypted_keys))

    def check(self, tenant: str, record: str, encrypted_keys: str | None, signature: str | None) -> SignatureState:
        """Return whether the signature is that of this record and these keys, of this tenant."""
        content = _content(record, encrypted_keys or NO_KEYS)
        return self._encryption.check_signature(_owner(tenant), content, signature or "")

    def require(self, tenant: str, record: str, encrypted_keys: str | None, signature: str | None) -> None:
        """Raise TenantNotSigned unless the signature is that of this record and these keys, of this tenant."""
        if self.check(tenant, record, encrypted_keys, signature) is SignatureState.BROKEN:
            raise TenantNotSigned(tenant=tenant)


def _owner(tenant: str) -> str:
    return f"tenant:{tenant}"


def _content(record: str, encrypted_keys: str) -> str:
    return json.dumps([record, encrypted_keys])
