"""A tenant, as it is declared."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ProviderTable(BaseModel):
    """One of a tenant's `[stt]`, `[llm]`, `[tts]`. `key` is a reference, `env:NAME` or `file:/path`, never the key."""

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

    @model_validator(mode="after")
    def _key_is_a_reference(self) -> ProviderTable:
        if self.key is not None and not self.key.startswith(("env:", "file:")):
            msg = 'key must be "env:NAME" or "file:/path"; the key itself does not belong into this file'
            raise ValueError(msg)
        return self


LOCAL = ProviderTable(provider="local")


class Tenant(BaseModel):
    """A tenant, as declared. What is left out has Switchboard's default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    tier: str
    max_calls: int | None = Field(default=None, gt=0)
    """How many of its calls may run at once; no limit if None."""
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
