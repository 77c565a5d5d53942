"""The same steps where all rooms are one tenant's, and all but one of them wait in its line."""

from __future__ import annotations

import json
from typing import Any

from tasks.rooms import Limits
from tests.bench.scaling.cost import Cost, cost_of_each
from tests.bench.scaling.fixture import TIER, Installation, each

TENANT = "in-line"
ONE = Limits(unclaimed=1)


async def costs(installation: Installation, count: int, samples: int) -> list[Cost]:
    """Of a room that comes last, and of the first one: its claim, which lets the next one in, and its end."""
    await installation.redis.flushall()
    await installation.declare({TENANT: TIER})
    await each([f"RM_{number:012}" for number in range(count)], lambda sid: installation.open(sid, TENANT, limits=ONE))
    redis: Any = installation.redis

    async def open_last(sid: str) -> None:
        await installation.open(sid, TENANT, limits=ONE)

    async def claim_first(_: str) -> None:
        message = json.loads(await redis.rpop(TIER))
        sid = message["headers"]["id"].partition(":")[0]
        await installation.claim(sid)
        claimed.append(sid)

    async def end(_: str) -> None:
        await installation.end(claimed.pop())

    claimed: list[str] = []
    sids = [f"RM_last{number:08}" for number in range(min(samples, count))]
    return [
        await cost_of_each("open: the last in line", installation.meter, open_last, sids),
        await cost_of_each("claim: the next in line enters the queue", installation.meter, claim_first, sids),
        await cost_of_each("end: of such a call", installation.meter, end, sids),
    ]
