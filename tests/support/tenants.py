"""Tenants put into Redis as tests need them, also such as `switchboard tenants apply` would refuse."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from redis.asyncio import Redis

from tasks.tenants.admin import Entry, Ledger


@dataclass(frozen=True)
class Written:
    put: Mapping[str, Entry]
    removed: frozenset[str] = frozenset()


async def declare(client: Redis, toml: str, *, prune: bool = True) -> None:
    """Let these be all tenants, or with `prune=False` some more, unchecked. Their keys stay the references they are."""
    tables = tomllib.loads(toml).get("tenants", {})
    entries = {tenant: Entry(table) for tenant, table in tables.items()}
    await Ledger(client).change(
        lambda before: Written(entries, frozenset(before.keys() - entries.keys()) if prune else frozenset())
    )
