"""One thing that is wrong with a tenants file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, where, and what to do. `table`: within the tenant's, such as `stt`; none for its own entries."""

    tenant: str
    field: str
    cure: str
    table: str = ""

    def __str__(self) -> str:
        table = ".".join(filter(None, ("tenants", self.tenant, self.table)))
        return f"[{table}] {self.field}: {self.cure}" if self.field else f"[{table}] {self.cure}"
