"""The responses of the API, made of what Redis and the database have of a call.

A tenant learns what has become of its calls, and nothing of the hosts: no worker's name, no process, and no reason that
was written for the operator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from tasks.records import CallDetails, StoredAttempt, StoredCall, UsageLine
from tasks.records.directory import FoundCall
from tasks.rooms import CallState, Room, State
from webhooks.api_schemas import Attempt, CallDetail, CallSummary, ProviderFailures, UsageAmount


def summary(call: Room | StoredCall) -> CallSummary:
    """Return a call of a list."""
    return _of_room(call) if isinstance(call, Room) else _of_record(call)


def detail(found: FoundCall) -> CallDetail:
    """Return one call. What is over is told by its record, as soon as that is written."""
    room, record = found.room, found.record
    written = record is not None and record.call.state is not None
    if record is not None and (written or room is None):
        base, steps = _of_record(record.call), record.steps_ms
    elif room is not None:
        base, steps = _of_room(room), room.steps_ms
    else:
        raise ValueError("a call that was found is in Redis or in the database")
    attempts = record.attempts if record else ()
    return CallDetail(
        **base.model_dump(),
        steps=_times(steps),
        attempts=[_attempt(attempt) for attempt in attempts],
        usage=amounts(_usage(record)),
        turns=record.turns if record else 0,
        interruptions=record.interruptions if record else 0,
    )


def amounts(lines: Iterable[UsageLine]) -> list[UsageAmount]:
    """Return lines of usage."""
    return [
        UsageAmount(kind=line.kind, provider=line.provider, model=line.model, unit=line.unit, amount=line.amount)
        for line in lines
    ]


def moment(ms: int) -> datetime:
    """Return a time of unix ms."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def _usage(record: CallDetails | None) -> Iterable[UsageLine]:
    return record.usage if record else ()


def _of_room(room: Room) -> CallSummary:
    over = not room.state.is_open
    steps = room.steps_ms
    opened_ms = room.opened_ms or steps.get("ended", 0)
    return CallSummary(
        sid=room.sid,
        room=room.name,
        tenant_id=room.tenant,
        tier=room.tier,
        state=room.state.value,
        source="live",
        number=room.number or None,
        opened_at=moment(opened_ms),
        claimed_at=_maybe(steps.get("claimed")),
        ended_at=_maybe(steps.get("ended")) if over else None,
        outcome=room.reason if over and room.state is not State.DEAD else None,
        ended_by=room.ended_by or None if over else None,
        public_reason=room.public_reason or None if over else None,
        attempt=room.attempt,
        erased_at=None,
    )


def _of_record(call: StoredCall) -> CallSummary:
    return CallSummary(
        sid=call.sid,
        room=call.name,
        tenant_id=call.tenant,
        tier=call.tier,
        state=call.state.value if call.state else "unknown",
        source="record",
        number=call.number,
        opened_at=moment(call.opened_ms),
        claimed_at=_maybe(call.first_claimed_ms),
        ended_at=_maybe(call.ended_ms),
        outcome=call.outcome if call.state not in {None, CallState.DEAD} else None,
        ended_by=call.ended_by.value if call.ended_by else None,
        public_reason=call.public_reason or None,
        attempt=call.attempt,
        erased_at=_maybe(call.erased_ms),
    )


def _attempt(attempt: StoredAttempt) -> Attempt:
    return Attempt(
        attempt=attempt.attempt,
        ending=attempt.ending.value,
        cause=attempt.cause.value if attempt.cause else None,
        handed_over=attempt.handed_over,
        claimed_at=_maybe(attempt.claimed_ms),
        ended_at=moment(attempt.ended_ms),
        steps=_times(attempt.steps_ms),
        turns=attempt.turns,
        interruptions=attempt.interruptions,
        replies_ms=list(attempt.replies_ms),
        usage=amounts(attempt.usage),
        failures=[
            ProviderFailures(
                kind=each.kind, provider=each.provider, error=each.error, times=each.times, fallback=each.fallback
            )
            for each in attempt.problems
        ],
    )


def _times(steps_ms: Mapping[str, int]) -> dict[str, datetime]:
    return {step: moment(ms) for step, ms in steps_ms.items()}


def _maybe(ms: int | None) -> datetime | None:
    return None if ms is None else moment(ms)
