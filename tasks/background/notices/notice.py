"""Typed views of what Redis holds of notices and of tenants' backends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Self

TEST = "test"
"""The type of a notice that an operator sends to try a backend."""


class NoticeState(StrEnum):
    """The states of a notice. GIVEN_UP: its tries are used up, or its tenant wants it no more."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class TryResult:
    """The result of one try. `status`: of the answer, None if there was none. `answer`: its beginning.

    `problem`: in a few words, "" if it was delivered.
    """

    at_ms: int
    latency_ms: int
    status: int | None = None
    answer: str = ""
    problem: str = ""

    def to_json(self) -> str:
        """Return it as JSON, as `read` takes it."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice. `id`: its `webhook-id`, the same at every try. `occurred_ms`: when its event was, unix ms.

    `tries`: how many of those that it has were used. `attempts`: all, also those that an operator has asked for.
    `next_ms`: when it is tried again, None if it was not tried yet or is not pending.
    """

    id: str
    tenant: str
    sid: str
    type: str
    data: Mapping[str, Any]
    occurred_ms: int
    state: NoticeState
    tries: int
    attempts: tuple[TryResult, ...]
    next_ms: int | None = None
    finished_ms: int | None = None

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Self:
        """Return the notice of a hash's fields. Raises KeyError or ValueError where it is none."""
        attempts = [
            TryResult(**json.loads(fields[f"attempt:{number}"]))
            for number in range(1, int(fields.get("attempts", "0")) + 1)
        ]
        return cls(
            id=fields["id"],
            tenant=fields["tenant"],
            sid=fields["sid"],
            type=fields["type"],
            data=json.loads(fields["data"]),
            occurred_ms=int(fields["occurred_ms"]),
            state=NoticeState(fields["state"]),
            tries=int(fields["tries"]),
            attempts=tuple(attempts),
            next_ms=int(fields["next_ms"]) if "next_ms" in fields else None,
            finished_ms=int(fields["finished_ms"]) if "finished_ms" in fields else None,
        )

    @property
    def is_test(self) -> bool:
        """True for a notice of `switchboard notices test`."""
        return self.type == TEST


class Delivery(NamedTuple):
    """A notice whose call has a lease for one try. `token`: of the lease."""

    tenant: str
    sid: str
    id: str
    token: str


@dataclass(frozen=True, slots=True)
class Disabled:
    """A backend that is disabled: since when (unix ms), why, and the address that it had."""

    since_ms: int
    reason: str
    url: str

    def to_json(self) -> str:
        """Return it as JSON, as `read` takes it."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def read(cls, content: str) -> Self:
        """Return it from JSON. What cannot be read is disabled all the same."""
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError):
            return cls(0, "unreadable", "")


@dataclass(frozen=True, slots=True)
class Backend:
    """A tenant's backend as it is now. Times are unix ms, None where there was none.

    `pending`: notices that wait for it. `failures`: tries in a row that have failed. `dropped`: notices that were not
    kept, because too many waited.
    """

    tenant: str
    pending: int
    failures: int
    failing_since_ms: int | None
    paused_until_ms: int | None
    delivered_ms: int | None
    dropped: int
    disabled: Disabled | None

    @classmethod
    def read(cls, tenant: str, fields: Mapping[str, str], pending: int, disabled: str | None) -> Self:
        """Return the backend of a hash's fields."""

        def number(name: str) -> int | None:
            return int(fields[name]) if name in fields else None

        return cls(
            tenant=tenant,
            pending=pending,
            failures=number("failures") or 0,
            failing_since_ms=number("failing_since"),
            paused_until_ms=number("paused_until"),
            delivered_ms=number("delivered_ms"),
            dropped=number("dropped") or 0,
            disabled=None if disabled is None else Disabled.read(disabled),
        )
