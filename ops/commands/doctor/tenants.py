"""Checks of the tenants: they can be used, they are signed, and their provider keys can be decrypted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping

from ops.commands.doctor.finding import Finding, NotChecked, error, ok, warning
from ops.commands.doctor.installation import Installation
from ops.commands.tenants.validation import parse, validate
from tasks.encryption import DecryptionFailed, Encryption, SignatureState
from tasks.tenants.admin import StoredTenant
from tasks.tenants.key_cipher import ProviderKeyCipher
from tasks.tenants.record_signer import RecordSigner
from tasks.tenants.tenant import ENCRYPTED

MOST_NAMED = 5
APPLY = "apply the tenants file again: switchboard tenants apply"
SAME_KEYS = (
    "run this with the SWITCHBOARD_ENCRYPTION_KEYS of the workers. If these are the same, the workers cannot decrypt "
    "them either: give both the keys that `switchboard tenants apply` had, or apply the file again"
)


async def stored_tenants(installation: Installation) -> dict[str, StoredTenant]:
    """Return the tenants that Redis has, with their encrypted keys. Raises NotChecked."""
    return await installation.tenants(RecordSigner(Encryption(installation.settings)))


async def tenants(installation: Installation) -> AsyncIterator[Finding]:
    """Check that there are tenants, and that calls can use their records."""
    stored = await stored_tenants(installation)
    if not stored:
        yield error("there is no tenant, so no call can be answered", "switchboard tenants apply tenants.toml")
        return
    found = 0
    for name, tenant in stored.items():
        parsed, problems = parse(name, dict(tenant.record))
        if parsed is not None:
            problems += validate(parsed, installation.settings.tiers.queues)
        for problem in problems:
            found += 1
            yield error(str(problem), APPLY)
    if not found:
        yield ok(f"{len(stored)} declared")


async def encryption(installation: Installation) -> AsyncIterator[Finding]:
    """Check that the encryption keys are there, and that they decrypt every provider key."""
    stored = await stored_tenants(installation)
    settings = installation.settings
    if settings.tenants.encryption_keys is None:
        yield warning(
            "SWITCHBOARD_ENCRYPTION_KEYS is not set: the key is derived from LIVEKIT_API_SECRET, and lost with it",
            "set it for workers and for switchboard tenants apply, and keep a copy; receivers need none",
        )
    if not stored:
        raise NotChecked("there is no tenant whose keys could be decrypted")
    broken = {name for name, tenant in stored.items() if tenant.signature is SignatureState.BROKEN}
    if broken:
        yield error(f"signed with another encryption key: {_names(broken)}. None of their calls is answered", SAME_KEYS)
    later = [name for name, tenant in stored.items() if tenant.signature is SignatureState.OF_A_LATER_KEY]
    if later:
        cure = "switchboard tenants rotate-keys, and only then remove the old key"
        yield warning(f"encrypted with an old key: {_names(later)}", cure)
    cipher = ProviderKeyCipher(Encryption(settings))
    unreadable = sorted(
        f"[tenants.{name}.{path}]"
        for name, tenant in stored.items()
        if name not in broken
        for path in unreadable_keys(name, tenant, cipher)
    )
    if unreadable:
        yield error(f"the provider key cannot be decrypted: {_names(unreadable)}", SAME_KEYS)
    if not broken and not unreadable and not later and settings.tenants.encryption_keys is not None:
        count = sum(len(tenant.encrypted_keys) for tenant in stored.values())
        yield ok(f"every tenant is signed, and every provider key can be decrypted ({count})")


def unreadable_keys(name: str, tenant: StoredTenant, cipher: ProviderKeyCipher) -> Iterable[str]:
    """Yield the paths of the tenant's tables whose key Redis lacks, or that cannot be decrypted."""
    for path, reference in key_references(tenant.record).items():
        if reference.startswith(ENCRYPTED):
            try:
                cipher.decrypt(name, path, tenant.encrypted_keys[path])
            except (KeyError, DecryptionFailed):
                yield path


def key_references(record: Mapping[str, object]) -> dict[str, str]:
    """Return the `key` of each provider's table of a record that has one, by the path of the table."""
    parsed, _ = parse("", dict(record))
    return {} if parsed is None else {path: table.key for path, table in parsed.tables() if table.key is not None}


def _names(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:MOST_NAMED]) + (
        f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    )
