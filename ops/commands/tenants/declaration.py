"""The tenants file: read, and checked as a whole, before anything is changed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ops.commands.tenants import check
from ops.commands.tenants.key_values import KeyValues, NoValueError
from ops.commands.tenants.problem import Problem
from pipeline.options import Secret
from tasks.tenants import Tenant


class FileInvalidError(Exception):
    """The file cannot be applied. The message has a line for each reason."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A tenant as the file declares it, and the values of those of its keys that Redis is to keep, by slot."""

    tenant: Tenant
    keys: Mapping[str, Secret] = field(default_factory=dict)


def read(path: Path, tiers: Mapping[str, str], values: KeyValues) -> dict[str, Declared]:
    """Every tenant of the file, by id. Raises FileInvalidError, with everything that is wrong."""
    found: dict[str, Declared] = {}
    problems: list[Problem] = []
    for name, table in _tables(path).items():
        tenant, malformed = check.parsed(name, table)
        problems += malformed
        if tenant is None:
            continue
        keys, missing = _keys(tenant, values)
        problems += [*check.problems(tenant, tiers), *missing]
        found[name] = Declared(tenant, keys)
    problems += _shared_numbers(found)
    if problems:
        raise FileInvalidError("\n".join(str(problem) for problem in problems))
    return found


def _tables(path: Path) -> dict[str, object]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FileInvalidError(f"{path} cannot be read: {error}") from error
    others = ", ".join(content.keys() - {"tenants"})
    if others:
        raise FileInvalidError(f"{path} has {others}, and only tables [tenants.<id>] belong there.")
    tables = content.get("tenants")
    if not isinstance(tables, dict) or not tables:
        # An empty file is rather a mistake on its way here than the wish to be rid of everybody.
        raise FileInvalidError(f"{path} declares no tenant: it has no table [tenants.<id>].")
    return tables


def _keys(tenant: Tenant, values: KeyValues) -> tuple[dict[str, Secret], list[Problem]]:
    keys: dict[str, Secret] = {}
    problems: list[Problem] = []
    for slot, table in tenant.tables():
        if table.key is None:
            continue
        try:
            value = values.read(table.key)
        except NoValueError as error:
            problems.append(Problem(tenant.id, "key", str(error), slot))
        else:
            if value is not None:
                keys[slot] = value
    return keys, problems


def _shared_numbers(found: Mapping[str, Declared]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, declared in found.items():
        for number in declared.tenant.numbers:
            if (owner := owners.setdefault(number, name)) != name:
                yield Problem(name, "numbers", f"{number} is a number of {owner} too; a number has one tenant")
