"""Validation of a declared tenant: every problem with it, and not only the first."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from ops.commands.tenants.notices import notices
from ops.commands.tenants.problem import Problem
from pipeline.errors import PipelineError
from pipeline.options import Kind, ProviderOptions, Secret, TurnOptions, VadOptions
from pipeline.providers import validate as validate_provider
from tasks.tenants.tenant import KINDS, MAX_ID_CHARACTERS, ProviderTable, Tenant

_AGENT = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_TWILIO_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
# A placeholder: validation depends on whether a table has a key, and not on the key.
_SOME_KEY = Secret("some key")
# Made once: one takes a millisecond, and a file may declare ten thousand tenants.
_ADAPTERS: dict[str, TypeAdapter[Any]] = {"vad": TypeAdapter(VadOptions), "turn": TypeAdapter(TurnOptions)}


def parse(tenant: str, table: object) -> tuple[Tenant | None, list[Problem]]:
    """Return the tenant without its malformed entries, or None, and a problem for each malformed entry."""
    if not isinstance(table, dict):
        return None, [Problem(tenant, "", "is not a table")]
    try:
        return Tenant.model_validate({**table, "id": tenant}), []
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
    well_formed = copy.deepcopy(table)
    for detail in details:
        _drop(well_formed, detail["loc"][:-1] if detail["type"] == "missing" else detail["loc"])
    try:
        rest: Tenant | None = Tenant.model_validate({**well_formed, "id": tenant})
    except ValidationError:
        rest = None
    return rest, [_problem(tenant, detail) for detail in details]


def _drop(table: dict[str, Any], location: Sequence[int | str]) -> None:
    """Remove the entry at this location; of a list, all of it."""
    names = list(itertools.takewhile(lambda part: isinstance(part, str), location))
    for name in names[:-1]:
        table = table.get(str(name), {})
    if names:
        table.pop(str(names[-1]), None)


def validate(tenant: Tenant, tiers: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the problems of a well-formed tenant."""
    if not tenant.id.isprintable() or re.search(r"\s", tenant.id) or not 0 < len(tenant.id) <= MAX_ID_CHARACTERS:
        yield Problem(tenant.id, "", f"the id must be 1 to {MAX_ID_CHARACTERS} printable characters without blanks")
    if tenant.tier not in tiers:
        cure = f"{tenant.tier!r} does not exist; the tiers are {', '.join(sorted(tiers))} (SWITCHBOARD_TIERS)"
        yield Problem(tenant.id, "tier", cure)
    if tenant.agent is not None and not _AGENT.fullmatch(tenant.agent):
        yield Problem(tenant.id, "agent", f"{tenant.agent!r} is not written as module:name")
    for number in tenant.numbers:
        if not _E164.fullmatch(number):
            yield Problem(tenant.id, "numbers", f"{number!r} is not in E.164; write it as +15551234567")
    if tenant.twilio_account is not None and not _TWILIO_ACCOUNT.fullmatch(tenant.twilio_account):
        yield Problem(tenant.id, "twilio_account", f"{tenant.twilio_account!r} is no account SID, AC and 32 digits")
    for kind in KINDS:
        table: ProviderTable = getattr(tenant, kind)
        yield from _provider(tenant.id, cast("Kind", kind), kind, table)
        for index, fallback in enumerate(table.fallbacks):
            path = f"{kind}.fallbacks.{index}"
            yield from _provider(tenant.id, cast("Kind", kind), path, fallback)
            if fallback.fallbacks:
                yield Problem(
                    tenant.id, "fallbacks", "a fallback has none of its own; list them one after another", path
                )
    yield from notices(tenant.id, tenant.notices)
    yield from _tuning(tenant.id, "vad", VadOptions, tenant.vad)
    yield from _tuning(tenant.id, "turn", TurnOptions, tenant.turn)


def _provider(tenant: str, kind: Kind, path: str, table: ProviderTable) -> Iterator[Problem]:
    options = ProviderOptions(
        name=table.provider,
        model=table.model,
        voice=table.voice,
        language=table.language,
        base_url=table.base_url,
        api_key=None if table.key is None else _SOME_KEY,
        extra=table.extra,
    )
    try:
        validate_provider(kind, options)
    except PipelineError as error:
        yield Problem(tenant, "", str(error), path)


def _tuning(
    tenant: str, table: str, options: type[VadOptions | TurnOptions], given: dict[str, Any]
) -> Iterator[Problem]:
    known = [field.name for field in fields(options)]
    for name in [name for name in given if name not in known]:
        yield Problem(tenant, name, f"there is no such option; there are {', '.join(known)}", table)
    try:
        _ADAPTERS[table].validate_python({name: given[name] for name in given if name in known})
    except ValidationError as error:
        for detail in error.errors(include_input=False, include_url=False):
            yield Problem(tenant, ".".join(map(str, detail["loc"])), detail["msg"], table)


def _problem(tenant: str, detail: Mapping[str, Any]) -> Problem:
    *tables, field = (str(part) for part in detail["loc"]) if detail["loc"] else ("",)
    if tables and tables[0] not in {*KINDS, "notices"}:
        # An item of a list: the list is the entry.
        tables, field = [], str(detail["loc"][0])
    if detail["type"] == "extra_forbidden":
        known = ", ".join(name for name in Tenant.model_fields if name != "id")
        return Problem(tenant, field, f"there is no such entry; there are {known}")
    return Problem(tenant, field, detail["msg"].removeprefix("Value error, "), ".".join(tables))
