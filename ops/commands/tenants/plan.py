"""Plans: the changes to the tenants in Redis that a tenants file asks for, and how they are printed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.commands.tenants.declaration import Declared, FileInvalidError
from ops.commands.tenants.problem import Problem
from tasks.encryption import DecryptionFailed, SignatureState
from tasks.tenants.admin import StoredTenant
from tasks.tenants.key_cipher import ProviderKeyCipher
from tasks.tenants.tenant import ENCRYPTED

MAX_CHARACTERS = 60
REENCRYPTED = "encrypted again, as what was in Redis could not be decrypted"
NOT_SIGNED = "what was in Redis was not signed with these encryption keys; it is replaced"
SIGNED_AGAIN = "signed again, with the first encryption key"
NOTHING = "(none)"


class WrongEncryptionKeyError(Exception):
    """Raised when a provider key in Redis cannot be decrypted with the encryption keys of this process."""

    def __init__(self, tenant: str, path: str) -> None:
        super().__init__(
            f"[tenants.{tenant}.{path}] key: the one in Redis was encrypted with an encryption key that is not here, "
            "so the workers could not decrypt what would be written now. Set SWITCHBOARD_ENCRYPTION_KEYS (or "
            "LIVEKIT_API_SECRET, if they have none) as the workers have it; if that key is lost: --reencrypt"
        )


class WrongSignatureError(Exception):
    """Raised when a tenant in Redis was not signed with the encryption keys of this process."""

    def __init__(self, tenant: str) -> None:
        super().__init__(
            f"[tenants.{tenant}]: its record in Redis is not signed with an encryption key that is here, so the "
            "workers might refuse what would be written now. Set SWITCHBOARD_ENCRYPTION_KEYS (or LIVEKIT_API_SECRET, "
            "if they have none) as the workers have it. If that key is lost, or another program has changed the "
            "record: --reencrypt"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes to be written (see `tasks.tenants.admin.TenantChanges`), and the tenants `before` them.

    `kept`: tenants in Redis that the file does not declare and that stay.
    """

    before: Mapping[str, StoredTenant]
    put: Mapping[str, StoredTenant]
    removed: frozenset[str] = frozenset()
    kept: tuple[str, ...] = ()
    unchanged: int = 0

    def lines(self) -> Iterator[str]:
        """Yield the lines to print: one for each tenant, and one for each entry that changes."""
        for tenant, stored in self.put.items():
            if tenant not in self.before:
                yield f"+ {tenant}"
                yield from (f"    {name}: {_cut(one_line(value))}" for name, value in flatten(stored.record).items())
                continue
            yield f"~ {tenant}"
            yield from _differences(self.before[tenant], stored)
        yield from (f"- {tenant}" for tenant in sorted(self.removed))
        if self.kept:
            yield f"in Redis, not in the file, and left alone (--prune removes them): {', '.join(self.kept)}"
        added = sum(tenant not in self.before for tenant in self.put)
        if self.put or self.removed:
            counts = (added, "added"), (len(self.put) - added, "changed"), (len(self.removed), "removed")
            yield ", ".join(f"{count} {word}" for count, word in (*counts, (self.unchanged, "unchanged")))
        else:
            yield "nothing to change"


@dataclass(frozen=True, slots=True)
class Planner:
    """A planner for the tenants that a file declares.

    `prune`: remove the tenants that the file does not declare.
    `reencrypt`: encrypt keys again that cannot be decrypted, and sign records again. Without it such a key, or a record
    with another signature, is an error, because this process probably has other encryption keys than the workers.
    """

    declared: Mapping[str, Declared]
    cipher: ProviderKeyCipher
    prune: bool = False
    reencrypt: bool = False

    def plan(self, before: Mapping[str, StoredTenant]) -> Plan:
        """Return the changes to the tenants in Redis.

        Raises FileInvalidError if a number belongs to a tenant that stays, WrongEncryptionKeyError, and
        WrongSignatureError.
        """
        others = before.keys() - self.declared.keys()
        kept = () if self.prune else tuple(sorted(others))
        self._require_free_numbers({tenant: before[tenant] for tenant in kept})
        after = {
            tenant: self._stored_tenant(declared, before.get(tenant)) for tenant, declared in self.declared.items()
        }
        if not self.reencrypt:
            for tenant in after.keys() & before.keys():
                if before[tenant].signature is SignatureState.BROKEN:
                    raise WrongSignatureError(tenant)
        put = {tenant: stored for tenant, stored in after.items() if _differ(before.get(tenant), stored)}
        removed = frozenset(others) if self.prune else frozenset()
        return Plan(before, put, removed, kept, unchanged=len(after) - len(put))

    def _stored_tenant(self, declared: Declared, before: StoredTenant | None) -> StoredTenant:
        tenant, encrypted, references = declared.tenant, {}, {}
        known = flatten(before.record) if before else {}
        for path, secret in declared.keys.items():
            value = secret.reveal()
            old, old_reference = before.encrypted_keys.get(path) if before else None, known.get(f"{path}.key")
            if old is not None and old_reference is not None and self._decrypt(tenant.id, path, old) == value:
                encrypted[path], references[path] = old, old_reference
            else:
                encrypted[path] = self.cipher.encrypt(tenant.id, path, value)
                references[path] = self.cipher.reference(tenant.id, path, value)
        record = tenant.with_key_references(references).model_dump(mode="json", exclude={"id"}, exclude_defaults=True)
        return StoredTenant(record, encrypted)

    def _decrypt(self, tenant: str, path: str, encrypted: str) -> str | None:
        try:
            return self.cipher.decrypt(tenant, path, encrypted)
        except DecryptionFailed as error:
            if self.reencrypt:
                return None
            raise WrongEncryptionKeyError(tenant, path) from error

    def _require_free_numbers(self, kept: Mapping[str, StoredTenant]) -> None:
        owners = {number: tenant for tenant, stored in kept.items() for number in stored.numbers}
        taken = [
            Problem(name, "numbers", f"{number} is a number of {owners[number]}, which is in Redis and not in the file")
            for name, declared in self.declared.items()
            for number in declared.tenant.numbers
            if number in owners
        ]
        if taken:
            raise FileInvalidError("\n".join(str(problem) for problem in taken))


def _differ(before: StoredTenant | None, after: StoredTenant) -> bool:
    return before != after or before.signature is not SignatureState.OF_THE_FIRST_KEY


def _differences(before: StoredTenant, after: StoredTenant) -> Iterator[str]:
    old, new = flatten(before.record), flatten(after.record)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield f"    {name}: {_change(old.get(name), new.get(name))}"
    if before.signature is SignatureState.BROKEN:
        yield f"    {NOT_SIGNED}"
    elif before.signature is SignatureState.OF_A_LATER_KEY:
        yield f"    {SIGNED_AGAIN}"
    reencrypted = [
        path for path in after.encrypted_keys if before.encrypted_keys.get(path) != after.encrypted_keys[path]
    ]
    for path in reencrypted:
        if old.get(f"{path}.key") == new.get(f"{path}.key"):
            yield f"    {path}.key: {REENCRYPTED}"


def flatten(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested tables into one: `stt.model`, `stt.fallbacks.0.provider`, `notices.secrets.0.key`."""
    flattened: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flattened |= flatten(value, f"{prefix}{name}.")
        elif name == "fallbacks" and isinstance(value, list):
            for index, table in enumerate(value):
                flattened |= flatten(table, f"{prefix}{name}.{index}.")
        elif name == "secrets" and isinstance(value, list):
            flattened |= {f"{prefix}{name}.{index}.key": reference for index, reference in enumerate(value)}
        else:
            flattened[f"{prefix}{name}"] = value
    return flattened


def one_line(value: object) -> str:
    """Return a value as one line; of an encrypted key its fingerprint."""
    if value is None:
        return NOTHING
    if isinstance(value, str) and value.startswith(ENCRYPTED):
        return value.removeprefix(ENCRYPTED)
    return json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"


def _change(old: object, new: object) -> str:
    before, after = one_line(old), one_line(new)
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    if same > MAX_CHARACTERS // 2:
        # Two long texts are shown from just before the point where they differ.
        before, after = (f"…{text[same - MAX_CHARACTERS // 4 :]}" for text in (before, after))
    return f"{_cut(before)} -> {_cut(after)}"
