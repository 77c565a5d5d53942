"""The records of calls and of their attempts, in one stream, the newest last.

An attempt leaves a record when it ends, whatever ends it, and a call leaves one each time its room is over. The script
that makes the change writes the record, so none is missing and none is there twice. `sid` and the step `opened` are the
same in all records of one call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self, cast

from tasks.rooms import keys
from tasks.rooms.records import read_steps
from tasks.rooms.states import AttemptEnding, CallState, EndedBy, LossCause

if TYPE_CHECKING:
    from redis.asyncio import Redis

PAGE = 200
"""Entries that are read at once."""
FURTHEST = 2000
"""Entries that are looked at for a few records, at most, so that a reconciler does not read all of them each time."""


class AttemptMetrics(NamedTuple):
    """The metrics of an attempt so far, each JSON, or '' if it is not known: the usage of its models, and its turns."""

    usage: str = ""
    turns: str = ""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call whose room is over. `steps_ms`: as in `Room`, of the last attempt, and of the call.

    `opened` and `first_claimed` among the steps are the call's; `first_claimed` is not there if no attempt has claimed
    it. `attempts`: how many have. `attempt`: the number of the last one, which goes on when a room is opened again.
    `outcome`: the reason for its end. `usage`: JSON, the use of each provider and model in the last attempt.
    """

    id: str
    sid: str
    name: str
    tenant: str
    tier: str
    attempt: int
    worker: str
    outcome: str
    usage: str
    steps_ms: dict[str, int]
    state: CallState = CallState.ENDED
    ended_by: EndedBy | None = None
    public_reason: str = ""
    attempts: int = 1

    @classmethod
    def read(cls, entry: str, fields: Mapping[str, str]) -> Self:
        """Return the call record of a stream's entry."""
        ended_by = fields.get("ended_by")
        return cls(
            id=entry,
            sid=fields["sid"],
            name=fields.get("name", ""),
            tenant=fields.get("tenant", ""),
            tier=fields.get("tier", ""),
            attempt=int(fields.get("attempt", "0")),
            worker=fields.get("worker", ""),
            outcome=fields["outcome"],
            usage=fields["usage"],
            steps_ms=read_steps(fields),
            state=CallState(fields["state"]),
            ended_by=EndedBy(ended_by) if ended_by else None,
            public_reason=fields.get("public_reason", ""),
            attempts=int(fields["attempts"]),
        )


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """An attempt that has ended. `steps_ms`: as in `Room`; `opened` is the call's, `lost_before` the loss before it.

    `uncounted`: how many attempts up to this one are no failures. `cause`: if it is lost. `version`: of Switchboard.
    `usage`: JSON, the use of each provider and model, and their failures. `turns`: JSON, or `{}` if not known yet. Of
    an attempt that was killed both are as of its last renewal.
    """

    id: str
    sid: str
    name: str
    tenant: str
    tier: str
    attempt: int
    uncounted: int
    worker: str
    version: str
    ending: AttemptEnding
    cause: LossCause | None
    reason: str
    usage: str
    turns: str
    steps_ms: dict[str, int]

    @classmethod
    def read(cls, entry: str, fields: Mapping[str, str]) -> Self:
        """Return the attempt record of a stream's entry."""
        cause = fields["cause"]
        return cls(
            id=entry,
            sid=fields["sid"],
            name=fields.get("name", ""),
            tenant=fields.get("tenant", ""),
            tier=fields.get("tier", ""),
            attempt=int(fields["attempt"]),
            uncounted=int(fields["uncounted"]),
            worker=fields.get("worker", ""),
            version=fields.get("version", ""),
            ending=AttemptEnding(fields["ending"]),
            cause=LossCause(cause) if cause else None,
            reason=fields["reason"],
            usage=fields["usage"],
            turns=fields["turns"],
            steps_ms=read_steps(fields),
        )


async def newest_entries(redis: Redis, kind: str, limit: int) -> list[tuple[str, dict[str, str]]]:
    """Return the newest entries of a kind, `call` or `attempt`: id and fields, the newest first.

    It looks at 2000 entries at most, or at three for each that is wanted.
    """
    found: list[tuple[str, dict[str, str]]] = []
    before = "+"
    for _ in range(0, max(FURTHEST, 3 * limit), PAGE):
        page = cast("list[tuple[str, dict[str, str]]]", await redis.xrevrange(keys.CALLS, before, count=PAGE))
        found += [(entry, fields) for entry, fields in page if fields.get("kind") == kind]
        if len(found) >= limit or len(page) < PAGE:
            break
        before = f"({page[-1][0]}"
    return found[:limit]
