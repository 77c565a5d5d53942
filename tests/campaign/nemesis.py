"""The faults of a history, caused at their times and undone."""

from __future__ import annotations

import asyncio

from redis.exceptions import RedisError

from ops.stack import StackError
from tests.campaign.faults import CAUSES, FaultFailed, Site
from tests.campaign.history import FaultPlan
from tests.campaign.observations import FaultSeen, Observations


async def run_faults(site: Site, seen: Observations) -> None:
    """Cause all faults of the history, and return when all are undone."""
    async with asyncio.TaskGroup() as group:
        for fault in seen.history.faults:
            group.create_task(_run(site, fault, seen))


async def _run(site: Site, plan: FaultPlan, seen: Observations) -> None:
    fault = FaultSeen(plan.name, plan.kind)
    seen.faults.append(fault)

    def begun(detail: str) -> None:
        if fault.begin is None:
            fault.begin = seen.clock.now()
        fault.detail = f"{fault.detail} {detail}".strip()
        seen.note(plan.name, f"{plan.kind}: {detail}")

    await asyncio.sleep(plan.at - seen.clock.now())
    try:
        await CAUSES[plan.kind](site, plan, begun)
    except (StackError, TimeoutError, RedisError, OSError, FaultFailed) as error:
        fault.problem = f"{type(error).__name__}: {error}".strip()
    finally:
        fault.end = seen.clock.now()
        seen.note(plan.name, f"{plan.kind}: undone" if fault.begin is not None else f"{plan.kind}: nothing to hit")
