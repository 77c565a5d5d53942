"""The state of all notices: whether they are made, and what waits for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.background.notices import keys
from tasks.rooms.keys import NOTICE_EVENTS

if TYPE_CHECKING:
    from redis.asyncio import Redis


@dataclass(frozen=True, slots=True)
class NoticesState:
    """The state: a background worker makes notices or none does, and the events that wait for one.

    `disabled`: the tenants whose backends are.
    """

    is_alive: bool
    events: int
    oldest_seconds: float
    disabled: frozenset[str]


async def read_state(redis: Redis) -> NoticesState:
    """Return the state now. Raises `redis.RedisError` or `OSError`."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.exists(keys.SCHEDULER)
        pipe.xlen(NOTICE_EVENTS)
        pipe.xrange(NOTICE_EVENTS, count=1)
        pipe.time()
        pipe.hkeys(keys.BACKENDS_DISABLED)
        alive, events, oldest, (seconds, _), disabled = await pipe.execute()
    age = seconds - int(oldest[0][0].partition("-")[0]) / 1000 if oldest else 0.0
    return NoticesState(bool(alive), events, max(0.0, age), frozenset(disabled))
