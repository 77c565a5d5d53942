"""All keys under the first encryption key, so that the others can go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ops.commands.tenants.problem import Problem
from tasks.encryption import Broken
from tasks.tenants.admin import Entry
from tasks.tenants.key_cipher import KeyRing

UNREADABLE = "it cannot be opened with these encryption keys; apply the tenants file again, with --reseal"


@dataclass(frozen=True, slots=True)
class Rotation:
    """What is to be written (see `tasks.tenants.admin.Changes`), and how many keys that are."""

    put: Mapping[str, Entry]
    renewed: int
    already: int
    broken: tuple[Problem, ...]
    removed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, ring: KeyRing, before: Mapping[str, Entry]) -> Rotation:
        """What has to change about these."""
        put: dict[str, Entry] = {}
        renewed = already = 0
        broken: list[Problem] = []
        for tenant, entry in before.items():
            fresh: dict[str, str] = {}
            for slot, sealed in entry.sealed.items():
                try:
                    new = ring.renewed(sealed)
                except Broken:
                    broken.append(Problem(tenant, "key", UNREADABLE, slot))
                    continue
                if new is None:
                    already += 1
                else:
                    fresh[slot] = new
            renewed += len(fresh)
            if fresh:
                put[tenant] = Entry(entry.record, {**entry.sealed, **fresh})
        return cls(put, renewed, already, tuple(broken))
