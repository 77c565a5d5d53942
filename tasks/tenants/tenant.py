"""A tenant, as it is declared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

KINDS = ("stt", "llm", "tts")
SEALED = "sealed:"
"""How the `key` begins of a table whose key's value is in Redis; a fingerprint follows."""

_REFERENCE = re.compile(r"[a-z][a-z0-9+.-]*:\S.*")


class ProviderTable(BaseModel):
    """One of a tenant's `[stt]`, `[llm]`, `[tts]`.

    `key` is a reference, never the key: in the file `env:NAME`, `file:/path` or `stdin:NAME`, whose value is read when
    the file is applied; in Redis then `sealed:<fingerprint>`. One for a source of keys is the same in both.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    provider: str
    model: str | None = None
    voice: str | None = None
    language: str | None = None
    base_url: str | None = None
    key: str | None = None
    fallbacks: tuple[ProviderTable, ...] = ()
    """Tried in this order when the provider fails."""

    @property
    def extra(self) -> dict[str, Any]:
        """The options that only this provider knows; the provider checks them."""
        return dict(self.__pydantic_extra__ or {})

    @field_validator("key")
    @classmethod
    def _key_is_a_reference(cls, key: str | None) -> str | None:
        if key is not None and not _REFERENCE.fullmatch(key):
            msg = 'it must be "env:NAME", "file:/path" or "stdin:NAME"; the key itself does not belong into this file'
            raise ValueError(msg)
        return key


LOCAL = ProviderTable(provider="local")


class Tenant(BaseModel):
    """A tenant, as declared. What is left out has Switchboard's default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    tier: str
    max_calls: int | None = Field(default=None, gt=0)
    """How many of its calls may be queued or run at once, the others wait in line; no limit if None."""
    numbers: tuple[str, ...] = ()
    """The telephone numbers that it is called by, in E.164: `+15551234567`."""
    agent: str | None = None
    agent_metadata: str = ""
    instructions: str | None = None
    greeting: str | None = None
    cut_off_phrase: str | None = None
    trouble_phrase: str | None = None
    refused_phrase: str | None = None
    stt: ProviderTable = LOCAL
    llm: ProviderTable = LOCAL
    tts: ProviderTable = LOCAL
    vad: dict[str, Any] = {}
    turn: dict[str, Any] = {}

    def tables(self) -> Iterator[tuple[str, ProviderTable]]:
        """Each table that names a provider, by its slot: `stt`, `stt.fallbacks.0` and so on, `llm`, `tts`."""
        for kind in KINDS:
            table: ProviderTable = getattr(self, kind)
            yield kind, table
            for number, fallback in enumerate(table.fallbacks):
                yield f"{kind}.fallbacks.{number}", fallback

    def with_keys(self, references: Mapping[str, str]) -> Tenant:
        """The same tenant, with these references in the place of the keys in these slots."""
        tables = {}
        for kind in KINDS:
            table: ProviderTable = getattr(self, kind)
            fallbacks = tuple(
                _with_key(fallback, references.get(f"{kind}.fallbacks.{number}"))
                for number, fallback in enumerate(table.fallbacks)
            )
            tables[kind] = _with_key(table.model_copy(update={"fallbacks": fallbacks}), references.get(kind))
        return self.model_copy(update=tables)


def _with_key(table: ProviderTable, reference: str | None) -> ProviderTable:
    return table if reference is None else table.model_copy(update={"key": reference})


def one_line(location: tuple[int | str, ...], message: str) -> str:
    """What pydantic found at a place, in one line."""
    return f"{'.'.join(map(str, location)) or 'table'}: {message.removeprefix('Value error, ')}"
