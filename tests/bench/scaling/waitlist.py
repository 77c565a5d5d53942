"""The steps of a call with a long waitlist: all rooms are of one tenant, and all but one of them wait."""

from __future__ import annotations

import json
from typing import Any

from tasks.rooms import Limits
from tests.bench.scaling.cost import Cost, measure_each
from tests.bench.scaling.fixture import BACKGROUND_TIER, Installation, for_each

TENANT = "waiting"
ONE = Limits(unclaimed=1)


async def costs(installation: Installation, count: int, samples: int) -> list[Cost]:
    """Measure the opening of the last room, and the claim and the end of the first one. The claim admits the next."""
    await installation.redis.flushall()
    await installation.declare({TENANT: BACKGROUND_TIER})
    await for_each(
        [f"RM_{number:012}" for number in range(count)], lambda sid: installation.open(sid, TENANT, limits=ONE)
    )
    redis: Any = installation.redis

    async def open_last(sid: str) -> None:
        await installation.open(sid, TENANT, limits=ONE)

    async def claim_first(_: str) -> None:
        message = json.loads(await redis.rpop(BACKGROUND_TIER))
        sid = message["headers"]["id"].partition(":")[0]
        await installation.claim(sid)
        claimed.append(sid)

    async def end(_: str) -> None:
        await installation.end(claimed.pop())

    claimed: list[str] = []
    sids = [f"RM_last{number:08}" for number in range(min(samples, count))]
    return [
        await measure_each("open: last in the waitlist", installation.meter, open_last, sids),
        await measure_each("claim: the next room is queued", installation.meter, claim_first, sids),
        await measure_each("end: of that call", installation.meter, end, sids),
    ]
