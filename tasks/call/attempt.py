"""Answering a room: claim it, run its call, keep the lease, and say how it ended."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from typing import TYPE_CHECKING

from pipeline.call import Call
from pipeline.conversation import Conversation
from pipeline.errors import PipelineError, RoomGone
from tasks.call.handover import hand_over_after_drain
from tasks.call.lease import LeaseKeeper
from tasks.call.options import call_options
from tasks.call.provider_keys import provider_keys
from tasks.encryption import Seal
from tasks.errors import SwitchboardError
from tasks.queue.requeue import lose_call
from tasks.rooms import Refusal, Room, RoomStore
from tasks.worker.sidecars import inference
from tasks.worker.tuning import prefault

if TYPE_CHECKING:
    from pipeline.call import CallOutcome
    from tasks.call.child import Child
    from tasks.settings import Settings

logger = logging.getLogger("switchboard.tasks.answer")


async def answer(sid: str, attempt: int, *, worker: str, child: Child) -> str:
    """Answer the room if this attempt may. Returns what became of it."""
    try:
        claim = await child.rooms.claim(sid, attempt, claimant=uuid.uuid4().hex, worker=worker, pid=os.getpid())
        if isinstance(claim, Refusal):
            logger.info("nothing to answer", extra={"sid": sid, "attempt": attempt, "refusal": claim})
            return f"refused: {claim}"
        return await _answer(claim.room, child, claimed_at=time.monotonic())
    finally:
        await child.redis.aclose()


async def _answer(room: Room, child: Child, *, claimed_at: float) -> str:
    rooms = child.rooms
    fields = {"sid": room.sid, "tenant": room.tenant, "tier": room.tier, "attempt": room.attempt}
    logger.info("call claimed", extra=fields)
    try:
        outcome = await _run(room, child, claimed_at=claimed_at)
    except RoomGone as error:
        await rooms.end(room.sid, room.attempt, outcome="room gone", usage="[]", claimant=room.claimant)
        logger.info("room gone", extra=fields | {"reason": str(error)})
        return "room gone"
    except (SwitchboardError, PipelineError) as error:
        return await _fail(room, rooms, child.settings, error)
    except Exception as error:  # a bug of ours must not leave the caller in silence
        logger.exception("the call failed", extra=fields)
        return await _fail(room, rooms, child.settings, error)
    await rooms.end(room.sid, room.attempt, outcome=outcome.reason, usage=outcome.usage_json(), claimant=room.claimant)
    prefault.learn()
    logger.info("call ended", extra=fields | {"reason": outcome.reason})
    return outcome.reason


async def _run(room: Room, child: Child, *, claimed_at: float) -> CallOutcome:
    rooms, settings = child.rooms, child.settings
    tenant, sealed = await child.tenants.with_keys(room.tenant)
    keys = await provider_keys(tenant, sealed, settings)
    options = call_options(room, tenant, keys, settings, claimed_at=claimed_at)
    keeper = LeaseKeeper(rooms, room, settings, claimed_at=claimed_at)
    call = Call(
        options,
        child.runner_for(options.agent),
        on_step=keeper.step,
        on_said=keeper.said,
        conversation=await _conversation(room, rooms, settings),
    )
    keeping = asyncio.create_task(keeper.keep(call))
    handing_over = asyncio.create_task(hand_over_after_drain(call, room, rooms, keeper, settings.max_attempts))
    models = inference.client()
    try:
        return await call.run(models)
    finally:
        handing_over.cancel()
        keeper.stop()
        await asyncio.wait({keeping, handing_over})
        if models is not None:
            await models.aclose()


async def _conversation(room: Room, rooms: RoomStore, settings: Settings) -> Conversation:
    """What earlier attempts have kept. One that cannot be read is logged: the caller is better answered than not."""
    if room.attempt == 1:
        return Conversation()
    sealed = await rooms.conversation(room.sid)
    if sealed is None:
        return Conversation()
    try:
        return Conversation.from_json(Seal(settings).open(room.sid, sealed), handed_over=room.handed_over)
    except ValueError as error:
        logger.warning("a conversation cannot be read", extra={"sid": room.sid, "error": type(error).__name__})
        return Conversation()


async def _fail(room: Room, rooms: RoomStore, settings: Settings, error: Exception) -> str:
    """Queue the next attempt if one can help, else write a dead letter."""
    retryable = getattr(error, "retryable", True)
    reason = " ".join(str(error).split()) or type(error).__name__
    fields = {"sid": room.sid, "tenant": room.tenant, "attempt": room.attempt, "reason": type(error).__name__}
    if not retryable:
        await rooms.bury(
            room.sid,
            attempt=room.attempt,
            name=room.name,
            tenant=room.tenant,
            tier=room.tier,
            reason=reason,
            claimant=room.claimant,
        )
        logger.error("call cannot be answered", extra=fields)
        return f"dead: {reason}"
    lost = await lose_call(room, rooms, settings.max_attempts, reason=reason)
    return f"lost: {lost}"
