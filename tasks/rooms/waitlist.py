"""The rooms that wait for an answer: repair permits, apply limits, expire waits, list the callers to notify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tasks.rooms import keys
from tasks.rooms.records import TenantlessRoom, Wait
from tasks.rooms.scripts import Script
from tasks.rooms.states import PublicReason, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio import Redis


class RepairCursor(NamedTuple):
    """The position of a repair that goes over permits and open rooms a part at a time.

    `repaired`: how many permits, and members of the waitlist, were wrong in the last part. `forgotten`: sids of rooms
    whose hash lacked what a room needs to be answered.
    """

    permits: str = "0"
    rooms: str = "0"
    repaired: int = 0
    forgotten: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True if the last part was the end of both."""
        return self.permits == self.rooms == "0"


class WaitList:
    """The waitlists of all tenants in one Redis, and the rooms in queues that no worker has claimed.

    Every method raises `redis.RedisError` or `OSError` when Redis is away.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._repair_permits = Script(redis, "repair_permits")
        self._list_waiting_tenants = Script(redis, "list_waiting_tenants")
        self._set_limits = Script(redis, "set_limits")
        self._expire_waits = Script(redis, "expire_waits")
        self._list_waits = Script(redis, "list_waits")
        self._mark_notified = Script(redis, "mark_notified")
        self._clear_notification = Script(redis, "clear_notification")
        self._await_tenant = Script(redis, "await_tenant")
        self._list_tenantless = Script(redis, "list_tenantless")

    async def repair(self, after: RepairCursor, most: int) -> RepairCursor:
        """Compare about `most` permits with their rooms, and rooms with their permits, and repair what is wrong."""
        permits, rooms, repaired, forgotten = await self._repair_permits(
            permits_cursor=after.permits, rooms_cursor=after.rooms, most=most
        )
        return RepairCursor(str(permits), str(rooms), int(repaired), tuple(forgotten))

    async def list_tenants(self, after: str, most: int) -> list[str]:
        """List the tenants that have waiting rooms, in the order of their names, after the one that is given."""
        return list(await self._list_waiting_tenants(after=after, most=most))

    async def set_limits(
        self, tenants: Mapping[str, int | None], tiers: Mapping[str, int | None], unclaimed: int | None
    ) -> int:
        """Set limits, as in `Limits`. Returns how many waiting rooms that let into their queues."""
        limits = {"unclaimed": unclaimed}
        limits |= {f"tenant:{tenant}": limit for tenant, limit in tenants.items()}
        limits |= {f"tier:{tier}": limit for tier, limit in tiers.items()}
        return int(await self._set_limits(*(part for pair in limits.items() for part in pair)))

    async def expire_waits(self, tier: str, longest_ms: int, *, reason: str, limit: int) -> list[str]:
        """Write dead letters for rooms of a tier that have waited longer. Returns their sids."""
        expired = await self._expire_waits(
            tier=tier,
            longest_ms=longest_ms,
            reason=reason,
            public_reason=PublicReason.BUSY,
            most=limit,
            over_ms=keys.OVER_ROOM_MS,
        )
        return list(expired)

    async def list_waits(self, after: str, limit: int, *, waited_ms: int) -> tuple[str, list[Wait]]:
        """List rooms that have waited for so long, by tier and arrival. Returns where to go on, too.

        It checks `limit` rooms at most. `after` is "" at the beginning, and the returned one at the end.
        """
        cursor, *listed = await self._list_waits(after=after, most=limit, waited_ms=waited_ms)
        waits = [
            Wait(sid, name, tenant, tier, State(state), int(position), int(waited), int(running))
            for sid, name, tenant, tier, state, position, waited, running in listed
        ]
        return str(cursor), waits

    async def mark_notified(self, sids: Sequence[str]) -> list[str]:
        """Mark rooms whose callers are about to be notified. Returns the sids of those that still wait.

        When one of these no longer waits, `to_notify` lists it.
        """
        waits = await self._mark_notified(more_keys=[keys.room(sid) for sid in sids])
        return [sid for sid, still in zip(sids, waits, strict=True) if still]

    async def to_notify(self, limit: int) -> dict[str, int]:
        """Return the sids of rooms whose callers have to be notified, the oldest first, and since when (unix ms)."""
        listed: Any = await self._redis.zrange(keys.NOTIFY, 0, limit - 1, withscores=True)
        return {str(sid): int(since_ms) for sid, since_ms in listed}

    async def notified(self, sid: str, since_ms: int) -> bool:
        """Take a room from `to_notify`, which has returned `since_ms`: its callers have been notified.

        Returns False if they have to be notified of something newer.
        """
        return bool(await self._clear_notification(sid=sid, listed_ms=since_ms))

    async def await_tenant(self, sid: str, name: str, *, ended_before_ms: int | None = None) -> int | None:
        """Let a room that names no tenant wait for one. Returns for how many ms it has; None if the room is known.

        `ended_before_ms`: let it wait also if its callers ended it before this (unix ms).
        """
        waited_ms = int(
            await self._await_tenant(room_key=keys.room(sid), sid=sid, name=name, ended_before_ms=ended_before_ms)
        )
        return None if waited_ms < 0 else waited_ms

    async def list_tenantless(self, limit: int) -> list[TenantlessRoom]:
        """List rooms that wait for a tenant, the longest wait first."""
        listed = await self._list_tenantless(most=limit)
        return [TenantlessRoom(sid, name, int(since), int(waited)) for sid, name, since, waited in listed]

    async def forget_tenantless(self, room: TenantlessRoom) -> None:
        """Take a room from those that wait for a tenant."""
        await self._redis.zrem(keys.TENANTLESS, f"{room.sid}\0{room.name}")
