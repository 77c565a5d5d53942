"""The number of open rooms of each tier and state, at a cost that hardly grows with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.rooms.scripts import Script

if TYPE_CHECKING:
    from redis.asyncio import Redis

PART = 500
"""Queued rooms that one script reads. Redis does nothing else meanwhile, for less than 1 ms."""
MOST_PARTS = 40


@dataclass(frozen=True, slots=True)
class TierCensus:
    """The open rooms of one tier. `longest_wait_ms`: of those that no worker has claimed; 0 if there is none."""

    waiting: int
    queued: int
    running: int
    longest_wait_ms: int


class RoomCensus:
    """Counts of the rooms in one Redis. It only reads, so that a user who may not write can take it."""

    def __init__(self, redis: Redis, *, part: int = PART) -> None:
        self._part = part
        self._count_rooms = Script(redis, "count_rooms")

    async def take(self, tiers: Collection[str]) -> dict[str, TierCensus]:
        """Count the rooms of each tier: of these, and of others that have queued rooms.

        Rooms change while thousands of queued ones are counted, so that a count may be a few rooms off then. Raises
        `redis.RedisError` or `OSError` when Redis is away.
        """
        queued: Counter[str] = Counter(dict.fromkeys(tiers, 0))
        totals: dict[str, tuple[int, int, int]] = {}
        for number in range(MOST_PARTS):
            listed, *counts = await self._count_rooms(tiers=",".join(tiers), first=number * self._part, most=self._part)
            for tier, *numbers in counts:
                if len(numbers) == 1:
                    queued[tier] += int(numbers[0])
                elif number == 0:
                    totals[tier] = (int(numbers[0]), int(numbers[1]), int(numbers[2]))
            if int(listed) < self._part:
                break
        return {tier: _tier(number, *totals.get(tier, (0, 0, 0))) for tier, number in queued.items()}


def _tier(queued: int, unanswered: int, permits: int, longest_wait_ms: int) -> TierCensus:
    return TierCensus(
        waiting=max(0, unanswered - queued),
        queued=queued,
        running=max(0, permits - queued),
        longest_wait_ms=longest_wait_ms,
    )
