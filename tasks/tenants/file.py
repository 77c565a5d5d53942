"""Tenants in a TOML file."""

from __future__ import annotations

import logging
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tasks.errors import TenantInvalid, TenantsFileInvalid, UnknownNumber, UnknownTenant
from tasks.tenants.tenant import Tenant

logger = logging.getLogger("switchboard.tasks.tenants")


class TomlTenants:
    """Tenants in a TOML file, read again when it changes. A mistake in one tenant's table does not touch the others."""

    def __init__(self, path: Path | None, tiers: frozenset[str]) -> None:
        self._path = path
        self._tiers = tiers
        self._seen: tuple[int, int] | None = None
        self._tables: dict[str, Any] = {}

    async def get(self, tenant: str) -> Tenant:
        """See `TenantStore`."""
        self.refresh()
        table = self._tables.get(tenant)
        if table is None:
            raise UnknownTenant(tenant=tenant)
        return self._validated(tenant, table)

    async def by_number(self, number: str) -> Tenant:
        """See `TenantStore`."""
        self.refresh()
        for tenant, table in self._tables.items():
            numbers = table.get("numbers") if isinstance(table, dict) else None
            if isinstance(numbers, list) and number in numbers:
                return self._validated(tenant, table)
        raise UnknownNumber

    def agents(self) -> set[str]:
        """See `TenantStore`."""
        self.refresh()
        named = (table.get("agent") for table in self._tables.values() if isinstance(table, dict))
        return {agent for agent in named if isinstance(agent, str)}

    def refresh(self) -> None:
        """Read the file if it has changed. Raises TenantsFileInvalid only if it has never been good."""
        if self._path is None:
            return
        try:
            status = self._path.stat()
            if (status.st_mtime_ns, status.st_size) == self._seen:
                return
            tables = tomllib.loads(self._path.read_text("utf-8")).get("tenants", {})
        except (OSError, ValueError) as error:
            # A file that is being edited must not stop the calls of tenants that were fine a moment ago.
            if self._seen is None:
                raise TenantsFileInvalid(path=self._path, problem=error) from error
            logger.exception("the tenants file cannot be read; the last good one stays in use")
            return
        if not isinstance(tables, dict):
            raise TenantsFileInvalid(path=self._path, problem="`tenants` is not a table")
        self._tables = tables
        self._seen = (status.st_mtime_ns, status.st_size)

    def _validated(self, tenant: str, table: object) -> Tenant:
        if not isinstance(table, dict):
            raise TenantInvalid(tenant=tenant, problem=f"[tenants.{tenant}] is not a table")
        try:
            found = Tenant.model_validate({**table, "id": tenant})
        except ValidationError as error:
            problems = (_one_line(problem["loc"], problem["msg"]) for problem in error.errors(include_input=False))
            raise TenantInvalid(tenant=tenant, problem="; ".join(problems)) from None
        if found.tier not in self._tiers:
            problem = f"tier {found.tier!r} does not exist; the tiers are {', '.join(sorted(self._tiers))}"
            raise TenantInvalid(tenant=tenant, problem=problem)
        return found


def _one_line(location: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join(map(str, location)) or 'table'}: {message.removeprefix('Value error, ')}"
