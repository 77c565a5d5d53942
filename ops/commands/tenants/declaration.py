"""The tenants file: read and validated as a whole, before anything is changed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ops.commands.tenants import validation
from ops.commands.tenants.key_values import KeyValues, NoValueError
from ops.commands.tenants.problem import Problem
from pipeline.options import Secret
from tasks.background.notices.signature import is_secret
from tasks.tenants import Tenant

NOTICES = "notices."
NOT_STANDARD = (
    "it is no secret of Standard Webhooks: whsec_ and 24 to 64 random bytes in base64, as of "
    '`echo "whsec_$(openssl rand -base64 32)"`'
)


class FileInvalidError(Exception):
    """Raised when a file cannot be applied. The message has a line for each problem."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A tenant as the file declares it, and the keys that Redis is to store, by the paths of their tables."""

    tenant: Tenant
    keys: Mapping[str, Secret] = field(default_factory=dict)


def read(path: Path, tiers: Mapping[str, str], values: KeyValues) -> dict[str, Declared]:
    """Return every tenant of the file by its id. Raises FileInvalidError with all problems."""
    declared_tenants: dict[str, Declared] = {}
    problems: list[Problem] = []
    for name, table in _tables(path).items():
        tenant, malformed = validation.parse(name, table)
        problems += malformed
        if tenant is None:
            continue
        keys, missing = _keys(tenant, values)
        problems += [*validation.validate(tenant, tiers), *missing]
        declared_tenants[name] = Declared(tenant, keys)
    problems += _shared_numbers(declared_tenants)
    if problems:
        raise FileInvalidError("\n".join(str(problem) for problem in problems))
    return declared_tenants


def _tables(path: Path) -> dict[str, object]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FileInvalidError(f"{path} cannot be read: {error}") from error
    others = ", ".join(content.keys() - {"tenants"})
    if others:
        raise FileInvalidError(f"{path} has {others}, and only tables [tenants.<id>] are allowed.")
    tables = content.get("tenants")
    if not isinstance(tables, dict) or not tables:
        # Probably a mistake, such as a truncated file; with --prune it would remove every tenant.
        raise FileInvalidError(f"{path} declares no tenant: it has no table [tenants.<id>].")
    return tables


def _keys(tenant: Tenant, values: KeyValues) -> tuple[dict[str, Secret], list[Problem]]:
    keys: dict[str, Secret] = {}
    problems: list[Problem] = []
    for path, reference in tenant.references():
        try:
            value = values.read(reference)
        except NoValueError as error:
            problems.append(Problem(tenant.id, "key", str(error), path))
            continue
        if value is None:
            continue
        if path.startswith(NOTICES) and not is_secret(value.reveal()):
            problems.append(Problem(tenant.id, "key", NOT_STANDARD, path))
        keys[path] = value
    return keys, problems


def _shared_numbers(declared_tenants: Mapping[str, Declared]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, declared in declared_tenants.items():
        for number in declared.tenant.numbers:
            if (owner := owners.setdefault(number, name)) != name:
                yield Problem(name, "numbers", f"{number} is a number of {owner} too; a number has one tenant")
