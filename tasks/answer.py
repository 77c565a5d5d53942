"""Answering a room: claim it, run its call, keep the lease, and say how it ended."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from typing import TYPE_CHECKING

from pipeline.call import Call
from pipeline.errors import PipelineError, RoomGone
from tasks.call_options import call_options
from tasks.connection import connect
from tasks.errors import SwitchboardError
from tasks.failover import lose_call
from tasks.lease import LeaseKeeper
from tasks.rooms import Refusal, Room, RoomStore
from tasks.tenants import TomlTenants
from tasks.worker import child, inference

if TYPE_CHECKING:
    from pipeline.call import CallOutcome
    from tasks.settings import Settings

logger = logging.getLogger("switchboard.tasks.answer")


async def answer(sid: str, attempt: int, *, worker: str, settings: Settings) -> str:
    """Answer the room if this attempt may. Returns what became of it."""
    redis = connect(settings)
    try:
        rooms = RoomStore(redis, lease_ms=settings.lease_ttl_ms)
        claim = await rooms.claim(sid, attempt, claimant=uuid.uuid4().hex, worker=worker, pid=os.getpid())
        if isinstance(claim, Refusal):
            logger.info("nothing to answer", extra={"sid": sid, "attempt": attempt, "refusal": claim})
            return f"refused: {claim}"
        return await _answer(claim.room, rooms, settings)
    finally:
        await redis.aclose()


async def _answer(room: Room, rooms: RoomStore, settings: Settings) -> str:
    fields = {"sid": room.sid, "tenant": room.tenant, "tier": room.tier, "attempt": room.attempt}
    logger.info("call claimed", extra=fields)
    try:
        outcome = await _run(room, rooms, settings)
    except RoomGone as error:
        await rooms.end(room.sid, room.attempt, outcome="room gone", usage="[]")
        logger.info("room gone", extra=fields | {"reason": str(error)})
        return "room gone"
    except (SwitchboardError, PipelineError) as error:
        return await _fail(room, rooms, settings, error)
    except Exception as error:  # a bug of ours must not leave the caller in silence
        logger.exception("the call failed", extra=fields)
        return await _fail(room, rooms, settings, error)
    await rooms.end(room.sid, room.attempt, outcome=outcome.reason, usage=outcome.usage_json())
    logger.info("call ended", extra=fields | {"reason": outcome.reason})
    return outcome.reason


async def _run(room: Room, rooms: RoomStore, settings: Settings) -> CallOutcome:
    tenant = TomlTenants(settings.tenants_file, frozenset(settings.tiers)).get(room.tenant)
    options = call_options(room, tenant, settings)
    keeper = LeaseKeeper(rooms, room, settings)
    call = Call(options, child.runner_for(options.agent), on_step=keeper.step)
    keeping = asyncio.create_task(keeper.keep(call))
    models = inference.client()
    try:
        return await call.run(models)
    finally:
        keeper.stop()
        await keeping
        if models is not None:
            await models.aclose()


async def _fail(room: Room, rooms: RoomStore, settings: Settings, error: Exception) -> str:
    """Queue the next attempt if one can help, else write a dead letter."""
    retryable = getattr(error, "retryable", True)
    reason = " ".join(str(error).split()) or type(error).__name__
    fields = {"sid": room.sid, "tenant": room.tenant, "attempt": room.attempt, "reason": type(error).__name__}
    if not retryable:
        await rooms.bury(
            room.sid, attempt=room.attempt, name=room.name, tenant=room.tenant, tier=room.tier, reason=reason
        )
        logger.error("call cannot be answered", extra=fields)
        return f"dead: {reason}"
    lost = await lose_call(room, rooms, settings.max_attempts, reason=reason)
    return f"lost: {lost}"
