"""The model of a tenant, as the tenants file declares it and as Redis stores it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

KINDS = ("stt", "llm", "tts")
Part = Literal["audio", "transcript", "traces", "logs"]
"""A part of a call that can be recorded."""
MAX_ID_CHARACTERS = 128
"""The length of the longest tenant id."""
ENCRYPTED = "encrypted:"
"""Prefix of a `key` whose encrypted value is in Redis; a fingerprint follows."""

_REFERENCE = re.compile(r"[a-z][a-z0-9+.-]*:\S.*")


class ProviderTable(BaseModel):
    """One of a tenant's tables `[stt]`, `[llm]`, `[tts]`, or one of their fallbacks.

    `key` is a reference, never the key itself. In the file it is `env:NAME`, `file:/path` or `stdin:NAME`, which is
    read when the file is applied; Redis then has `encrypted:<fingerprint>`. A key source's reference is the same in
    both.
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
        """Options that only this provider knows. The provider validates them."""
        return dict(self.__pydantic_extra__ or {})

    @field_validator("key")
    @classmethod
    def _key_is_a_reference(cls, key: str | None) -> str | None:
        if key is not None and not _REFERENCE.fullmatch(key):
            msg = 'it must be "env:NAME", "file:/path" or "stdin:NAME"; the key itself must not be in this file'
            raise ValueError(msg)
        return key


LOCAL = ProviderTable(provider="local")


class Tenant(BaseModel):
    """A tenant. An entry that is not declared has Switchboard's default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    tier: str
    max_calls: int | None = Field(default=None, gt=0)
    """The tenant's limit: so many of its rooms may be queued or answered at once, others wait. None: no limit."""
    max_waiting: int | None = Field(default=None, ge=0)
    """So many of its rooms may wait at once, others are refused as busy. None: SWITCHBOARD_WAITING_PER_TENANT."""
    numbers: tuple[str, ...] = ()
    """Its telephone numbers, in E.164: `+15551234567`."""
    twilio_account: str | None = None
    """The SID of Twilio's account that its numbers belong to. It has to be set where there are several accounts."""
    agent: str | None = None
    agent_metadata: str = ""
    instructions: str | None = None
    greeting: str | None = None
    cut_off_phrase: str | None = None
    trouble_phrase: str | None = None
    refused_phrase: str | None = None
    recording_phrase: str | None = None
    record: tuple[Part, ...] = ()
    """The parts of its calls that are recorded."""
    record_days: int | None = Field(default=None, ge=1)
    """They are deleted after so many days. None: SWITCHBOARD_RECORDING_DAYS."""
    redact: bool = False
    """Spans and log lines are without what was said."""
    stt: ProviderTable = LOCAL
    llm: ProviderTable = LOCAL
    tts: ProviderTable = LOCAL
    vad: dict[str, Any] = {}
    turn: dict[str, Any] = {}

    @field_validator("record")
    @classmethod
    def _each_part_once(cls, record: tuple[Part, ...]) -> tuple[Part, ...]:
        return tuple(dict.fromkeys(record))

    @model_validator(mode="after")
    def _redacted_with_transcript(self) -> Self:
        if self.redact and "audio" in self.record and "transcript" not in self.record:
            raise ValueError('with redact = true, record has "audio" only together with "transcript"')
        return self

    def tables(self) -> Iterator[tuple[str, ProviderTable]]:
        """Yield each provider's table with its path: `stt`, `stt.fallbacks.0` and so on, `llm`, `tts`."""
        for kind in KINDS:
            table: ProviderTable = getattr(self, kind)
            yield kind, table
            for index, fallback in enumerate(table.fallbacks):
                yield f"{kind}.fallbacks.{index}", fallback

    def with_key_references(self, references: Mapping[str, str]) -> Tenant:
        """Return the tenant with these references as the `key` of the tables at their paths."""
        tables = {}
        for kind in KINDS:
            table: ProviderTable = getattr(self, kind)
            fallbacks = tuple(
                _with_key(fallback, references.get(f"{kind}.fallbacks.{index}"))
                for index, fallback in enumerate(table.fallbacks)
            )
            tables[kind] = _with_key(table.model_copy(update={"fallbacks": fallbacks}), references.get(kind))
        return self.model_copy(update=tables)


def _with_key(table: ProviderTable, reference: str | None) -> ProviderTable:
    return table if reference is None else table.model_copy(update={"key": reference})


def one_line(location: tuple[int | str, ...], message: str) -> str:
    """Return a problem that pydantic found as one line."""
    return f"{'.'.join(map(str, location)) or 'table'}: {message.removeprefix('Value error, ')}"
