"""The table `notices` of a tenant: the address of its backend, what it is told, and the secrets that sign it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, field_validator

REFERENCE = re.compile(r"[a-z][a-z0-9+.-]*:\S.*")
"""The reference to a key or a secret: a scheme, and where it is there."""
NO_REFERENCE = 'it must be "env:NAME", "file:/path" or "stdin:NAME"; the key itself must not be in this file'
MOST_SECRETS = 2


class NoticeType(StrEnum):
    """The types of notices about calls."""

    STARTED = "call.started"
    WAITING = "call.waiting"
    RECOVERED = "call.recovered"
    ENDED = "call.ended"
    FAILED = "call.failed"


class NoticeContent(StrEnum):
    """Contents that the notice of a call's end has beside its record, if the tenant wants them."""

    TRANSCRIPT = "transcript"
    AUDIO = "audio"


class NoticesTable(BaseModel):
    """The table `notices` of a tenant. Its entries are checked when the tenants file is applied.

    Here they are not, and others are let through: a version that does not know them must answer the tenant's calls.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    url: str
    secrets: tuple[str, ...] = ()
    """References, as of provider keys. Each signs, the first one first; two while one takes the other's place."""
    events: tuple[str, ...] = tuple(map(str, NoticeType))
    include: tuple[str, ...] = ()

    @field_validator("secrets")
    @classmethod
    def _secrets_are_references(cls, secrets: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(REFERENCE.fullmatch, secrets)):
            raise ValueError(NO_REFERENCE)
        return secrets

    @property
    def unknown(self) -> list[str]:
        """The names of entries that there are not."""
        return list(self.__pydantic_extra__ or {})

    def references(self) -> Iterator[tuple[str, str]]:
        """Yield the path and the reference of each secret."""
        for index, reference in enumerate(self.secrets):
            yield path_of_secret(index), reference

    def with_references(self, references: Mapping[str, str]) -> NoticesTable:
        """Return the table with these references as the secrets at their paths."""
        secrets = tuple(references.get(path, reference) for path, reference in self.references())
        return self.model_copy(update={"secrets": secrets})


def path_of_secret(index: int) -> str:
    """Return the path of a secret, as of a provider's table: its encryption is bound to it."""
    return f"notices.secrets.{index}"
