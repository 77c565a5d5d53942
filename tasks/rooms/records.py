"""Typed views of what Redis holds of rooms and workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from redis.exceptions import ResponseError

from tasks.rooms.states import State

_STEP = "at:"
LISTED_FIELDS = (
    *("state", "name", "tenant", "tier", "queue", "attempt", "worker", "pid", "reason", "handed_over", "arrived"),
    *("opened", "claimant", "ended_by", "public_reason", "number"),
    *("at:room_started", "at:received", "at:waiting", "at:queued", "at:claimed", "at:connecting", "at:joined"),
    *("at:published", "at:first_audio", "at:lost"),
)
"""What a list shows of an open room: neither what is long, as the message, the usage and the turns, nor encrypted."""
ROOM_FIELDS = (*LISTED_FIELDS, "agent_metadata", "trace")
"""All that `Room` reads of an open room's hash."""


def read_steps(fields: Mapping[str, str]) -> dict[str, int]:
    """Return the steps among the fields of a hash or an entry: step -> unix ms, in the order in which they happened."""
    steps = {
        name.removeprefix(_STEP): int(ms) for name, ms in fields.items() if name.startswith(_STEP) and ms.isdecimal()
    }
    return dict(sorted(steps.items(), key=lambda step: step[1]))


@dataclass(frozen=True, slots=True)
class Room:
    """A room as Redis has it. `steps_ms`: step -> unix ms, in the order in which they happened.

    `handed_over`: the attempt before this one has handed the call over between two turns.
    `claimant`: the task run that has claimed it, or "".
    `agent_metadata`: encrypted, or "" for the tenant's.
    `ended_by`, `public_reason`: an `EndedBy` and a `PublicReason` if it is over, or "".
    `number`: of the caller by telephone, or "".
    `trace`: the context of its dispatch, as W3C's `traceparent` has it, or "".
    `arrived_us`: when it began to wait for this attempt, unix µs; 0 for a room that was never opened. `opened_ms`: when
    its call began, unix ms; 0 likewise.
    """

    sid: str
    name: str
    tenant: str
    tier: str
    queue: str
    state: State
    attempt: int
    worker: str
    pid: int | None
    reason: str
    handed_over: bool
    steps_ms: dict[str, int]
    arrived_us: int = 0
    opened_ms: int = 0
    claimant: str = ""
    agent_metadata: str = ""
    ended_by: str = ""
    public_reason: str = ""
    trace: str = ""
    number: str = ""

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Self:
        """Return the room of a hash's fields. Raises ValueError where there is no state, or an odd attempt."""
        pid = fields.get("pid", "")
        arrived, opened = fields.get("arrived", ""), fields.get("opened", "")
        return cls(
            sid=fields.get("sid", ""),
            name=fields.get("name", ""),
            tenant=fields.get("tenant", ""),
            tier=fields.get("tier", ""),
            queue=fields.get("queue", ""),
            state=State(fields.get("state", "")),
            attempt=int(fields.get("attempt", "0")),
            worker=fields.get("worker", ""),
            pid=int(pid) if pid.isdecimal() else None,
            reason=fields.get("reason", ""),
            handed_over=fields.get("handed_over") == "1",
            steps_ms=read_steps(fields),
            arrived_us=int(arrived) if arrived.isdecimal() else 0,
            opened_ms=int(opened) if opened.isdecimal() else 0,
            claimant=fields.get("claimant", ""),
            agent_metadata=fields.get("agent_metadata", ""),
            ended_by=fields.get("ended_by", ""),
            public_reason=fields.get("public_reason", ""),
            trace=fields.get("trace", ""),
            number=fields.get("number", ""),
        )


def readable_room(sid: str, answer: Mapping[str, str] | Exception) -> Room | None:
    """Return the room of a hash, or None if there is none, or no readable one. Raises what Redis answered otherwise."""
    if isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE"):
        return None
    if isinstance(answer, Exception):
        raise answer
    try:
        return Room.read({**answer, "sid": sid}) if answer else None
    except ValueError:
        return None


def room_of_values(sid: str, fields: Sequence[str], answer: Sequence[str | bool | None] | Exception) -> Room | None:
    """Return the room with the values of these fields, of which each may be missing, as `readable_room` does."""
    if isinstance(answer, Exception):
        return readable_room(sid, answer)
    found = {name: value for name, value in zip(fields, answer, strict=True) if isinstance(value, str)}
    return readable_room(sid, found)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that apply to a room, each None for no limit. `tenant`, `tier`: rooms in queues or with a call.

    `unclaimed`: rooms of the tenant that are in a queue and not claimed yet. `waiting`: rooms of the tenant on its
    waitlist.
    """

    tenant: int | None = None
    tier: int | None = None
    unclaimed: int | None = None
    waiting: int | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A room that is not claimed yet. `position`: among its tenant's, from 1. `running`: calls of its tenant."""

    sid: str
    name: str
    tenant: str
    tier: str
    state: State
    position: int
    waited_ms: int
    running: int


@dataclass(frozen=True, slots=True)
class RoomSummary:
    """The part of a room that decides whether it is opened again. `ended_ms`: unix ms, if it is over.

    `ended_by`: an `EndedBy` if it is over, or "".
    """

    state: State
    ended_by: str
    ended_ms: int | None


@dataclass(frozen=True, slots=True)
class TenantlessRoom:
    """A room that waits for a tenant, since `since_ms` (unix ms by Redis' clock)."""

    sid: str
    name: str
    since_ms: int
    waited_ms: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A room that could not be answered. `reason`: one line."""

    id: str
    sid: str
    name: str
    tenant: str
    tier: str
    attempt: int
    reason: str

    @classmethod
    def read(cls, entry: str, fields: Mapping[str, str]) -> Self:
        """Return the dead letter of a stream's entry."""
        return cls(
            id=entry,
            sid=fields["sid"],
            name=fields["name"],
            tenant=fields["tenant"],
            tier=fields["tier"],
            attempt=int(fields["attempt"]),
            reason=fields["reason"],
        )


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker's last heartbeat.

    `slots`: calls that it can have at one time, at most. `idle`: its spares, which can take a call now. `busy`: calls
    that it has.
    `load`, `reserved`: fractions of all cores. `state`: `open`, or the reason why the intake gate is closed. `problem`:
    why calls fail there, or "". `late_renewals`: leases that were renewed late since it started.
    `differences`: the settings that the receivers have differently, or "".
    """

    node: str
    queues: tuple[str, ...]
    slots: int
    idle: int
    load: float
    reserved: float
    state: str
    pid: int
    problem: str = ""
    differences: str = ""
    busy: int = 0
    late_renewals: int = 0

    @classmethod
    def read(cls, node: str, fields: Mapping[str, str]) -> Self:
        """Return the status of a heartbeat's hash."""
        return cls(
            node=node,
            queues=tuple(filter(None, fields["queues"].split(","))),
            slots=int(fields["slots"]),
            idle=int(fields["idle"]),
            load=float(fields["load"]),
            reserved=float(fields.get("reserved", "0")),
            state=fields["state"],
            pid=int(fields["pid"]),
            problem=fields.get("problem", ""),
            differences=fields.get("differences", ""),
            busy=int(fields.get("busy", "0")),
            late_renewals=int(fields.get("late_renewals", "0")),
        )

    def fields(self) -> dict[str, str]:
        """Return the fields of the hash; the inverse of `read`."""
        return {
            "queues": ",".join(self.queues),
            "slots": str(self.slots),
            "idle": str(self.idle),
            "load": f"{self.load:.3f}",
            "reserved": f"{self.reserved:.3f}",
            "state": self.state,
            "pid": str(self.pid),
            "problem": self.problem,
            "differences": self.differences,
            "busy": str(self.busy),
            "late_renewals": str(self.late_renewals),
        }
