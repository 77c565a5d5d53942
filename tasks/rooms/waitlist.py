"""Those who wait to be answered: what keeps their lines right, and what there is to tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tasks.rooms import keys
from tasks.rooms.records import Wait
from tasks.rooms.scripts import ADMISSION, script
from tasks.rooms.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio import Redis

OVER_MS = 3600 * 1000
LETTERS_KEPT = 10_000


class Healed(NamedTuple):
    """Where the next look at places and open rooms goes on, and how many places were wrong in this one."""

    places_cursor: str
    rooms_cursor: str
    wrong: int


class Line:
    """The lines of all tenants in one Redis. Every method raises `redis.RedisError` or `OSError` when Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._heal = script(redis, "heal_places", ADMISSION)
        self._tenants = script(redis, "list_waiting_tenants")
        self._set_limits = script(redis, "set_limits", ADMISSION)
        self._end_waits = script(redis, "end_waits", ADMISSION)
        self._look = script(redis, "look_at_waits", ADMISSION)
        self._mark = script(redis, "mark_told")

    async def heal(self, since: Healed, at_once: int) -> Healed:
        """Hold about so many places against their rooms, and rooms against their places, and mend what is wrong."""
        places, rooms, wrong = await self._heal(
            keys=[keys.ROOMS, *keys.ADMITTING],
            args=[since.places_cursor, since.rooms_cursor, at_once, keys.room("")],
        )
        return Healed(str(places), str(rooms), int(wrong))

    async def tenants(self, after: str, limit: int) -> list[str]:
        """Tenants that have rooms in line, by name, after that one."""
        return list(await self._tenants(keys=[keys.LINE], args=[after, limit]))

    async def set_limits(
        self, tenants: Mapping[str, int | None], tiers: Mapping[str, int | None], unclaimed: int | None
    ) -> int:
        """Limits as in `Limits`, from now on. Returns how many rooms that let into their queues."""
        named = {f"tenant:{tenant}": most for tenant, most in tenants.items()}
        named |= {f"tier:{tier}": most for tier, most in tiers.items()}
        pairs = [part for name, most in (("unclaimed", unclaimed), *named.items()) for part in (name, most)]
        args = ["" if part is None else part for part in pairs]
        return int(await self._set_limits(keys=[*keys.ADMITTING], args=[*args, keys.room("")]))

    async def end_waits(self, tier: str, longest_ms: int, *, reason: str, limit: int) -> list[str]:
        """Write dead letters for rooms of the tier that have waited for longer. Returns their sids."""
        ended = await self._end_waits(
            keys=[keys.ROOMS, keys.DEAD, keys.TELL, *keys.ADMITTING],
            args=[tier, longest_ms, reason, limit, OVER_MS, LETTERS_KEPT, keys.conversation(""), keys.room("")],
        )
        return list(ended)

    async def look(self, after: str, limit: int, *, waited_ms: int) -> tuple[str, list[Wait]]:
        """Rooms that nobody has answered for so long, by tier and arrival, and where the next look goes on.

        It looks at `limit` rooms at most, and begins with `after` "", which is also what it returns at the end.
        """
        cursor, *found = await self._look(keys=[*keys.ADMITTING], args=[after, limit, waited_ms, keys.room("")])
        waits = [
            Wait(sid, name, tenant, tier, State(state), int(position), int(waited), int(running))
            for sid, name, tenant, tier, state, position, waited, running in found
        ]
        return str(cursor), waits

    async def mark_told(self, sids: Sequence[str]) -> list[str]:
        """Those of them that still wait. They will be in `to_tell` when they do no more."""
        waits = await self._mark(keys=[keys.room(sid) for sid in sids], args=[])
        return [sid for sid, still in zip(sids, waits, strict=True) if still]

    async def to_tell(self, limit: int) -> list[str]:
        """The sids of rooms whose callers are to be told what came of their wait, the oldest first."""
        return [str(sid) for sid in await self._redis.zrange(keys.TELL, 0, limit - 1)]

    async def told(self, sid: str) -> None:
        """They have been told."""
        await self._redis.zrem(keys.TELL, sid)
