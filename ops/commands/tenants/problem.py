"""A problem in a tenants file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with one field, and its cure.

    `table`: path of the table in its tenant, such as `stt`; empty for the tenant's own entries.
    """

    tenant: str
    field: str
    cure: str
    table: str = ""

    def __str__(self) -> str:
        table = ".".join(filter(None, ("tenants", self.tenant, self.table)))
        return f"[{table}] {self.field}: {self.cure}" if self.field else f"[{table}] {self.cure}"
