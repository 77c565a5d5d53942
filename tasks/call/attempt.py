"""One attempt at answering a room: claim it, run its call, and write how it ended.

    ended by                                 written                    then
    claim refused                            nothing                    another attempt answers, or the room is over
    the call: its agent, an empty room,      `ended`, a call record     a caller who joins later is answered again
      its maximum length
    room finished: `LeaseRenewer.closing`    `ended`, a call record     LiveKit has closed the room
    the server has no such room, or          `ended`, a call record     that other room has a webhook of its own
      another one of its name
    lease lost: `LeaseRenewer.lost`          nothing if it is stale,    the attempt that has the room answers
                                             else `queued`
    drain: `Drain.due`                       `queued`, conversation     the next attempt, on another worker; not counted
    an error that is `retryable`             `queued`, or else `dead`   the next attempt; after the last, an operator
    any other error                          `dead`, a dead letter      an operator
    child killed or hung, host lost          nothing                    the next attempt, queued when the main process
                                                                        notices the child's death or the lease expires

Each write carries the attempt and its claimant, so a stale one changes nothing. An attempt whose lease counts as lost
because Redis was away is not stale unless another one took the room: it is queued again. A last write that
Redis does not answer is not repeated, and the lease expires.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from pipeline.call import Call
from pipeline.conversation import Conversation
from pipeline.errors import PipelineError
from tasks.call.failure import CallFailed
from tasks.call.lease import LeaseRenewer
from tasks.call.options import call_options
from tasks.call.provider_keys import provider_keys
from tasks.encryption import Encryption
from tasks.errors import SwitchboardError
from tasks.queue.requeue import REASON_CHARACTERS, requeue_call
from tasks.rooms import ClaimRefusal, EndedBy, LossCause, RequeueResult, Room

if TYPE_CHECKING:
    from pipeline.outcome import CallOutcome
    from tasks.call.child import Child

HAND_OVER_RETRY_SECONDS = 0.5
WORKER_ATTEMPTS = 3
"""Attempts at a call whose fault may be its worker's alone: another worker has one of them, if there is another."""

logger = logging.getLogger("switchboard.tasks.call")


async def run_attempt(sid: str, attempt: int, *, worker: str, child: Child) -> str:
    """Answer the room, if it is this attempt's turn. Return the result in a few words."""
    try:
        room = await child.rooms.claim(sid, attempt, claimant=uuid.uuid4().hex, worker=worker, pid=os.getpid())
        if isinstance(room, ClaimRefusal):
            logger.info("claim refused", extra={"sid": sid, "attempt": attempt, "refusal": room})
            return f"refused: {room}"
        return await _answer(room, child, claimed_at=time.monotonic())
    finally:
        await child.redis.aclose()


async def _answer(room: Room, child: Child, *, claimed_at: float) -> str:
    """Run the room's call and write its end."""
    fields = {"sid": room.sid, "tenant": room.tenant, "tier": room.tier, "attempt": room.attempt}
    logger.info("call claimed", extra=fields)
    try:
        outcome = await _run_call(room, child, claimed_at=claimed_at)
    except (SwitchboardError, PipelineError) as error:
        return await _fail(room, child, error)
    except Exception as error:  # a bug of ours must not leave the caller in silence
        logger.exception("call failed", extra=fields)
        return await _fail(room, child, error)
    await child.rooms.end(
        room.sid,
        room.attempt,
        outcome=outcome.reason,
        usage=outcome.usage_json(),
        ended_by=EndedBy(outcome.ended_by),
        claimant=room.claimant,
    )
    child.answered = True
    logger.info("call ended", extra=fields | {"reason": outcome.reason})
    return outcome.reason


async def _run_call(room: Room, child: Child, *, claimed_at: float) -> CallOutcome:
    """Run the call until it is finished, and make it finish when its lease, its room or its worker ends first."""
    settings = child.settings
    conversation = await _conversation(room, child)
    tenant, encrypted_keys = await child.tenants.get_with_keys(room.tenant)
    keys = await provider_keys(tenant, encrypted_keys, settings)
    options = call_options(room, tenant, keys, settings, claimed_at=claimed_at)
    runner = child.runner_for(tenant.agent)

    lease = LeaseRenewer(child.rooms, room, settings, claimed_at=claimed_at)
    renewing = asyncio.create_task(lease.run())
    call = Call(options, runner, conversation, on_step=lease.record_step, on_conversation=lease.save_conversation)
    finished = asyncio.create_task(call.run())
    lost = asyncio.create_task(lease.lost.wait())
    closing = asyncio.create_task(lease.closing.wait())
    handed_over = asyncio.create_task(_hand_over(call, lease, room, child))
    pending: set[asyncio.Task[Any]] = {finished, lost, closing, handed_over}
    try:
        while True:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if finished in done:
                return finished.result()
            if lost in done:
                await call.leave("lease lost")
            if closing in done:
                call.hang_up("room finished")
            if handed_over in done and handed_over.result():
                lease.stop()
                await call.leave("handed over")
    finally:
        for task in pending:
            task.cancel()
        lease.stop()
        await asyncio.wait({renewing, *pending})


async def _hand_over(call: Call, lease: LeaseRenewer, room: Room, child: Child) -> bool:
    """Queue the room for another worker when this one's drain is over. Return False if the attempt is stale."""
    await child.drain.due(call.between_turns)
    lease.save_conversation(call.conversation_json())
    while True:
        try:
            await lease.flush()
            result = await requeue_call(
                room,
                child.rooms,
                child.settings.lease.max_attempts,
                reason="its worker stops",
                cause=LossCause.HANDED_OVER,
            )
        except (RedisError, OSError) as error:
            logger.warning("call not handed over yet", extra={"sid": room.sid, "error": type(error).__name__})
            await asyncio.sleep(HAND_OVER_RETRY_SECONDS)
        else:
            return result is not RequeueResult.STALE


async def _conversation(room: Room, child: Child) -> Conversation:
    """Return the conversation of earlier attempts, or an empty one where it cannot be read: an answer matters more."""
    encrypted = None if room.attempt == 1 else await child.rooms.conversation(room.sid)
    if encrypted is None:
        return Conversation()
    try:
        content = Encryption(child.settings).decrypt(room.sid, encrypted)
        return Conversation.from_json(content, handed_over=room.handed_over)
    except ValueError as error:
        logger.warning("conversation not readable", extra={"sid": room.sid, "error": type(error).__name__})
        return Conversation()


async def _fail(room: Room, child: Child, error: Exception) -> str:
    """Queue the next attempt if it may mend the error, else write a dead letter."""
    reason = " ".join(str(error).split()) or type(error).__name__
    child.failure = CallFailed(reason[:REASON_CHARACTERS], getattr(error, "of_host", False))
    of_worker = getattr(error, "of_worker", False)
    most = child.settings.lease.max_attempts
    if getattr(error, "retryable", True) or of_worker:
        most = min(most, WORKER_ATTEMPTS) if of_worker else most
        cause = LossCause.FAILED if getattr(error, "counted", True) else LossCause.NOT_ITS_FAULT
        result = await requeue_call(room, child.rooms, most, reason=reason, cause=cause)
        return f"lost: {result}"
    await child.rooms.dead_letter(room.sid, attempt=room.attempt, reason=reason, claimant=room.claimant)
    fields = {"sid": room.sid, "tenant": room.tenant, "attempt": room.attempt, "reason": reason[:REASON_CHARACTERS]}
    logger.error("call cannot be answered", extra=fields)
    return f"dead: {reason}"
