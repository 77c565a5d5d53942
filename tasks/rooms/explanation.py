"""The reasons why a room is not answered yet: position, limits and who holds their permits, each worker's intake."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from tasks.rooms import keys
from tasks.rooms.records import Room, WorkerStatus
from tasks.rooms.states import Intake, State
from tasks.rooms.store import RoomStore

if TYPE_CHECKING:
    from redis.asyncio import Redis

MOST_HOLDERS = 20
"""Rooms that are named of those that hold the permits of a limit."""


class Cause(StrEnum):
    """The reason why a room is not answered yet.

    TENANT_LIMIT, TIER_LIMIT, UNCLAIMED_LIMIT: all permits are held by others. ORDER: another room of its tenant has
    waited for longer. DELAY: attempts have failed quickly, and the next one has a delay. NO_WORKER: no worker takes
    from its queue. NO_INTAKE: workers do, and none of them takes a call now. SOON: a worker is about to take it.
    """

    TENANT_LIMIT = "tenant limit"
    TIER_LIMIT = "tier limit"
    UNCLAIMED_LIMIT = "unclaimed limit"
    ORDER = "order"
    DELAY = "delay"
    NO_WORKER = "no worker"
    NO_INTAKE = "no intake"
    SOON = "soon"


@dataclass(frozen=True, slots=True)
class LimitUse:
    """A limit that applies to a room, and the permits that are held. `most`: None for no limit.

    `holders`: the sids of those rooms, MOST_HOLDERS of them at most.
    """

    cause: Cause
    held: int
    most: int | None
    holders: tuple[str, ...]

    @property
    def is_full(self) -> bool:
        """True if it lets no other room in."""
        return self.most is not None and self.held >= self.most


@dataclass(frozen=True, slots=True)
class Explanation:
    """The reasons why a room is not answered yet. `causes`: the first one is the nearest.

    `position`: among the rooms of its tenant, from 1. `waited_ms`: since it began to wait for this attempt. `ahead`:
    messages before its own in its queue. `delay_ms`: until its message is queued. `workers`: those of its queue.
    """

    causes: tuple[Cause, ...]
    position: int
    waited_ms: int
    ahead: int
    delay_ms: int
    limits: tuple[LimitUse, ...]
    workers: tuple[WorkerStatus, ...]


async def explain(redis: Redis, room: Room) -> Explanation:
    """Explain why an unanswered room waits. The client must decode responses. Raises RedisError or OSError."""
    tenant, unclaimed = f"tenant:{room.tenant}", f"unclaimed:{room.tenant}"
    groups = {
        Cause.TENANT_LIMIT: (tenant, tenant),
        Cause.TIER_LIMIT: (f"tier:{room.tier}", f"tier:{room.tier}"),
        Cause.UNCLAIMED_LIMIT: (unclaimed, "unclaimed"),
    }
    before = f"\0{room.arrived_us:016}\0{room.sid}"
    async with redis.pipeline(transaction=True) as pipe:
        for group, limit in groups.values():
            pipe.zlexcount(keys.PERMITS, *_bounds(group))
            pipe.hget(keys.ADMISSION, limit)
            pipe.zrangebylex(keys.PERMITS, *_bounds(group), start=0, num=MOST_HOLDERS)
        pipe.zlexcount(keys.PERMITS, f"[{unclaimed}\0", f"({unclaimed}{before}")
        pipe.zlexcount(keys.WAITLIST, f"[{room.tenant}\0", f"({room.tenant}{before}")
        pipe.zscore(keys.DELAYED, room.sid)
        pipe.hget(keys.room(room.sid), "message")
        pipe.time()
        answers = await pipe.execute()
    limits = tuple(
        LimitUse(cause, int(held), int(most) if most else None, tuple(member.rpartition("\0")[2] for member in members))
        for cause, (held, most, members) in zip(groups, zip(*[iter(answers[:9])] * 3, strict=True), strict=True)
    )
    queued_before, waiting_before, delayed_until, message, (seconds, microseconds) = answers[9:]
    now_ms = int(seconds) * 1000 + int(microseconds) // 1000
    delay_ms = max(0, int(delayed_until) - now_ms) if delayed_until else 0
    workers = tuple(worker for worker in await RoomStore(redis).list_workers() if room.queue in worker.queues)
    waits = room.state is State.WAITING
    return Explanation(
        causes=_causes_of_waiting(limits, waiting_before) if waits else _causes_in_queue(delay_ms, workers),
        position=1 + (limits[2].held + int(waiting_before) if waits else int(queued_before)),
        waited_ms=max(0, now_ms - room.arrived_us // 1000),
        ahead=0 if waits else await _ahead(redis, room.queue, message),
        delay_ms=delay_ms,
        limits=limits,
        workers=workers,
    )


def _causes_of_waiting(limits: tuple[LimitUse, ...], waiting_before: int) -> tuple[Cause, ...]:
    causes = tuple(limit.cause for limit in limits if limit.is_full)
    # With neither, its permit comes with the next event, or the reconciler's next tick.
    return (causes + ((Cause.ORDER,) if waiting_before else ())) or (Cause.SOON,)


def _causes_in_queue(delay_ms: int, workers: tuple[WorkerStatus, ...]) -> tuple[Cause, ...]:
    causes = (Cause.DELAY,) if delay_ms else ()
    if not workers:
        return (*causes, Cause.NO_WORKER)
    if not any(worker.state == Intake.OPEN for worker in workers):
        return (*causes, Cause.NO_INTAKE)
    return causes or (Cause.SOON,)


async def _ahead(redis: Redis, queue: str, message: str | None) -> int:
    """Return how many messages are before this one, of those that a worker takes from the right end of the list."""
    if message is None:
        return 0
    found: Any = await cast("Any", redis.lpos(queue, message, rank=-1))
    length: Any = await cast("Any", redis.llen(queue))
    return 0 if found is None else max(0, int(length) - 1 - int(found))


def _bounds(group: str) -> tuple[str, str]:
    return f"[{group}\0", f"({group}\1"
