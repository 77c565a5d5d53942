"""What would change in Redis, so that it says what the file does."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.commands.tenants.declaration import Declared, FileInvalidError
from ops.commands.tenants.problem import Problem
from tasks.encryption import Broken
from tasks.tenants.admin import Entry
from tasks.tenants.key_cipher import KeyRing
from tasks.tenants.tenant import SEALED

SHOWN = 60
RESEALED = "sealed again, as what was in Redis could not be opened"
NOTHING = "(none)"


class SealedByOthersError(Exception):
    """There is a key in Redis that the encryption keys of this process do not open."""

    def __init__(self, tenant: str, slot: str) -> None:
        super().__init__(
            f"[tenants.{tenant}.{slot}] key: the one in Redis was sealed with an encryption key that is not here, so "
            "the workers could not open what would be sealed now. Set SWITCHBOARD_ENCRYPTION_KEYS (or "
            "LIVEKIT_API_SECRET, if they have none) as the workers have it; if that key is lost: --reseal"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written (see `tasks.tenants.admin.Changes`), and what it is a change to.

    `kept`: tenants in Redis that the file does not declare, and that stay.
    """

    before: Mapping[str, Entry]
    put: Mapping[str, Entry]
    removed: frozenset[str] = frozenset()
    kept: tuple[str, ...] = ()
    unchanged: int = 0

    def lines(self) -> Iterator[str]:
        """What an operator is shown: a line for each tenant, and one for each entry that changes."""
        for tenant, entry in self.put.items():
            if tenant not in self.before:
                yield f"+ {tenant}"
                yield from (f"    {name}: {_cut(shown(value))}" for name, value in flat(entry.record).items())
                continue
            yield f"~ {tenant}"
            yield from _differences(self.before[tenant], entry)
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
    """Makes plans for what a file declares.

    `prune`: what it does not declare goes. `reseal`: keys that cannot be opened are sealed anew; else they are a reason
    to change nothing, as it is rather this process that has other encryption keys than the workers.
    """

    declared: Mapping[str, Declared]
    ring: KeyRing
    prune: bool = False
    reseal: bool = False

    def plan(self, before: Mapping[str, Entry]) -> Plan:
        """What is to be changed about this.

        Raises FileInvalidError if a number belongs to a tenant that stays, and SealedByOthersError.
        """
        others = before.keys() - self.declared.keys()
        kept = () if self.prune else tuple(sorted(others))
        self._numbers_are_free({tenant: before[tenant] for tenant in kept})
        after = {tenant: self._entry(declared, before.get(tenant)) for tenant, declared in self.declared.items()}
        put = {tenant: entry for tenant, entry in after.items() if before.get(tenant) != entry}
        removed = frozenset(others) if self.prune else frozenset()
        return Plan(before, put, removed, kept, unchanged=len(after) - len(put))

    def _entry(self, declared: Declared, before: Entry | None) -> Entry:
        tenant, sealed, references = declared.tenant, {}, {}
        known = flat(before.record) if before else {}
        for slot, secret in declared.keys.items():
            value = secret.reveal()
            old, old_reference = before.sealed.get(slot) if before else None, known.get(f"{slot}.key")
            if old is not None and old_reference is not None and self._opened(tenant.id, slot, old) == value:
                sealed[slot], references[slot] = old, old_reference
            else:
                sealed[slot] = self.ring.close(tenant.id, slot, value)
                references[slot] = self.ring.reference(tenant.id, slot, value)
        record = tenant.with_keys(references).model_dump(mode="json", exclude={"id"}, exclude_defaults=True)
        return Entry(record, sealed)

    def _opened(self, tenant: str, slot: str, sealed: str) -> str | None:
        try:
            return self.ring.open(tenant, slot, sealed)
        except Broken as error:
            if self.reseal:
                return None
            raise SealedByOthersError(tenant, slot) from error

    def _numbers_are_free(self, kept: Mapping[str, Entry]) -> None:
        owners = {number: tenant for tenant, entry in kept.items() for number in entry.numbers}
        taken = [
            Problem(name, "numbers", f"{number} is a number of {owners[number]}, which is in Redis and not in the file")
            for name, declared in self.declared.items()
            for number in declared.tenant.numbers
            if number in owners
        ]
        if taken:
            raise FileInvalidError("\n".join(str(problem) for problem in taken))


def _differences(before: Entry, after: Entry) -> Iterator[str]:
    old, new = flat(before.record), flat(after.record)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield f"    {name}: {_change(old.get(name), new.get(name))}"
    resealed = [slot for slot in after.sealed if before.sealed.get(slot) != after.sealed[slot]]
    for slot in resealed:
        if old.get(f"{slot}.key") == new.get(f"{slot}.key"):
            yield f"    {slot}.key: {RESEALED}"


def flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one: `stt.model`, `stt.fallbacks.0.provider`."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        elif name == "fallbacks" and isinstance(value, list):
            for number, table in enumerate(value):
                found |= flat(table, f"{prefix}{name}.{number}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def shown(value: object) -> str:
    """A value in one line; a sealed key as its fingerprint."""
    if value is None:
        return NOTHING
    if isinstance(value, str) and value.startswith(SEALED):
        return value.removeprefix(SEALED)
    return json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _change(old: object, new: object) -> str:
    before, after = shown(old), shown(new)
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    if same > SHOWN // 2:
        # Of two long texts, from just before they begin to differ.
        before, after = (f"…{text[same - SHOWN // 4 :]}" for text in (before, after))
    return f"{_cut(before)} -> {_cut(after)}"
