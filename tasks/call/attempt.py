"""One attempt at answering a room: claim it, run its call, and write how it ended, as `tasks.call.ending` lists."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from pipeline.call import Call
from pipeline.conversation import Conversation
from pipeline.errors import PipelineError
from pipeline.options import RecordOptions
from pipeline.phase import Phase
from tasks import logs
from tasks.call.attempt_trace import AttemptTrace
from tasks.call.ending import Ended, Ending, Lost, Unanswerable, ending_of, failure_of
from tasks.call.options import call_options
from tasks.call.provider_keys import provider_keys
from tasks.call.result import Result, TaskEnd
from tasks.call.watchdog import Watchdog
from tasks.encryption import Encryption
from tasks.errors import SwitchboardError
from tasks.rooms import ClaimRefusal, LossCause, Room

if TYPE_CHECKING:
    from pipeline.outcome import CallOutcome
    from tasks.call.child import Child

VERSION = metadata.version("livekit-switchboard")
UPLOAD_ADDRESS = "LIVEKIT_OBSERVABILITY_URL"
"""The variable of the environment in which livekit-agents finds where to upload to."""
SOON_SECONDS = 60.0
"""A call that is over its memory limit so soon after its claim would be again: it counts as a failed attempt."""

logger = logging.getLogger("switchboard.tasks.call")


async def run_attempt(sid: str, attempt: int, *, worker: str, child: Child, lost_claim_ms: int | None = None) -> Result:
    """Answer the room, if it is this attempt's turn. Return the result.

    `lost_claim_ms`: see `AttemptTrace`.
    """
    logs.add_fields(sid=sid, attempt=attempt)
    try:
        async with Watchdog(child.settings, on_late_renewal=child.row.count_late_renewal) as watchdog:
            began_ns = time.time_ns()
            room = await child.rooms.claim(
                sid, attempt, claimant=uuid.uuid4().hex, worker=worker, pid=os.getpid(), version=VERSION
            )
            if isinstance(room, ClaimRefusal):
                logger.info("claim refused", extra={"sid": sid, "attempt": attempt, "refusal": room})
                return Result(f"refused: {room}", TaskEnd.SUCCEEDED)
            claimed_at = time.monotonic()
            watchdog.guard(room, claimed_at=claimed_at)
            logs.add_fields(tenant=room.tenant, tier=room.tier)
            trace = AttemptTrace(room, began_ns=began_ns, lost_claim_ms=lost_claim_ms)
            with trace.current():
                ending = await _answer(room, child, watchdog, trace, claimed_at=claimed_at)
                child.answered = isinstance(ending, Ended)
                child.failure = failure_of(ending)
                result = await watchdog.end(ending)
            trace.over(ending, lease_lost=watchdog.lost.is_set())
            return result
    finally:
        await child.redis.aclose()


async def _answer(room: Room, child: Child, watchdog: Watchdog, trace: AttemptTrace, *, claimed_at: float) -> Ending:
    """Run the room's call and return how it ended."""
    fields = {"sid": room.sid, "tenant": room.tenant, "tier": room.tier, "attempt": room.attempt}
    logger.info("call claimed", extra=fields)
    end: CallOutcome | Exception
    try:
        end = await _run_call(room, child, watchdog, trace, claimed_at=claimed_at)
    except (SwitchboardError, PipelineError, RedisError, OSError) as error:
        end = error
    except Exception as error:
        logger.exception("call failed", extra=fields)
        end = error
    ending = ending_of(end)
    level = logging.ERROR if isinstance(ending, Unanswerable) else logging.INFO
    logger.log(level, "call ended", extra=fields | {"ending": type(ending).__name__, "reason": ending.reason})
    return ending


async def _run_call(
    room: Room, child: Child, watchdog: Watchdog, trace: AttemptTrace, *, claimed_at: float
) -> CallOutcome:
    """Run the call until it is finished, and make it finish when its lease, its room or its worker ends first."""
    settings = child.settings
    conversation = await _conversation(room, child)
    tenant, encrypted_keys = await child.tenants.get_with_keys(room.tenant)
    keys = await provider_keys(tenant, encrypted_keys, settings)
    options = call_options(room, tenant, keys, settings, claimed_at=claimed_at)
    _let_upload(options.record, settings.recordings.console_url)

    def on_step(name: str) -> None:
        watchdog.record_step(name)
        trace.step(name)

    def on_over(end: CallOutcome | Exception) -> None:
        watchdog.over(end)
        ending = ending_of(end)
        if isinstance(ending, Lost):
            # Now: the agent's shutdown callbacks may end this process, and its room is queued again already.
            trace.over(ending, lease_lost=watchdog.lost.is_set())

    call = Call(
        options,
        child.runner_for(tenant.agent),
        conversation,
        on_step=on_step,
        on_conversation=watchdog.save_conversation,
        on_metrics=watchdog.save_metrics,
        on_phase=partial(_enter, child, watchdog),
        on_over=on_over,
    )
    finished = asyncio.create_task(call.run())
    lost = asyncio.create_task(watchdog.lost.wait())
    closing = asyncio.create_task(watchdog.closing.wait())
    handed_over = asyncio.create_task(_hand_over(call, child, watchdog, trace, claimed_at=claimed_at))
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
            if handed_over in done:
                await call.leave("handed over")
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


def _enter(child: Child, watchdog: Watchdog, phase: Phase) -> None:
    if phase is Phase.UPLOADING:
        child.row.note_upload()
    watchdog.enter(phase)


def _let_upload(record: RecordOptions, console_url: str | None) -> None:
    """Have livekit-agents send what is recorded of this process's call to the console, and nothing else anywhere."""
    os.environ.pop(UPLOAD_ADDRESS, None)
    if record.parts and console_url is not None:
        os.environ[UPLOAD_ADDRESS] = console_url


async def _hand_over(call: Call, child: Child, watchdog: Watchdog, trace: AttemptTrace, *, claimed_at: float) -> None:
    """Queue the room for its next attempt: the worker's drain is over, the call too large, or an operator moves it."""
    await child.drain.due(call.between_turns, lambda: child.row.hand_over or watchdog.moving.is_set())
    cause, reason = LossCause.HANDED_OVER, "its worker stops"
    moved = not (child.drain.hand_over or child.row.hand_over)
    if moved:
        reason = "moved by an operator"
    elif not child.drain.hand_over:
        soon = time.monotonic() - claimed_at < SOON_SECONDS
        cause = LossCause.FAILED if soon else LossCause.HANDED_OVER
        reason = f"over its memory limit of {child.row.memory_limits.limit_mb:.0f} MB"
    watchdog.save_conversation(call.conversation_json())
    call.report_metrics()
    ending = Lost(reason, cause, elsewhere=moved)
    await watchdog.end(ending)
    trace.over(ending, lease_lost=watchdog.lost.is_set())


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
