"""`switchboard calls show ROOM`: all that is known of one call, as a timeline."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ops.commands import terminal
from ops.commands.calls.listing import as_object, open_directory, shown_time
from ops.commands.calls.lookup import CallCommandError, find_room, run
from ops.commands.ps import format_age
from tasks.records import CallDetails, CallFilter, StoredAttempt, UsageLine
from tasks.records.directory import CallDirectory, FoundCall
from tasks.redis_client import connect
from tasks.rooms import Room, RoomStore
from tasks.settings import RedisSettings

OF_THE_CALL = ("room_started", "received", "opened", "waiting")
"""Steps before the first attempt. The others are an attempt's."""
NOT_SHOWN = frozenset({"first_claimed", "lost_before", "ended", "lost"})
"""Steps that another line says."""


def show(name_or_sid: str, *, as_json: bool) -> int:
    """Print a call. Return the exit status."""
    return run(_show(name_or_sid, as_json=as_json))


async def _show(name_or_sid: str, *, as_json: bool) -> None:
    async with connect(RedisSettings.read()) as redis:
        room = await find_room(RoomStore(redis), name_or_sid)
    async with open_directory() as directory:
        found = await _find(directory, room.sid if room else name_or_sid, name_or_sid)
    if found is None:
        raise CallCommandError(f"There is no call {name_or_sid}, in Redis or in the database.")
    if as_json:
        print(json.dumps(details(found), ensure_ascii=False))
        return
    for line in lines(found):
        print(terminal.printable(line))


async def _find(directory: CallDirectory, sid: str, name: str) -> FoundCall | None:
    found = await directory.get_call(sid)
    if found is not None:
        return found
    named = await directory.list_calls(CallFilter(name=name), limit=1)
    return await directory.get_call(named.calls[0].sid) if named.calls else None


def lines(found: FoundCall) -> Iterator[str]:
    """Yield the lines that are printed."""
    call = _call(found)
    opened_ms = call["opened_ms"]
    yield f"{call['name'] or '(erased)'} ({call['sid']}): {call['state']}, from {call['source']}"
    yield f"tenant {call['tenant']}, tier {call['tier']}" + (f", number {call['number']}" if call["number"] else "")
    yield f"opened {shown_time(opened_ms)} UTC"
    for ms, text in sorted(_events(found), key=lambda event: event[0]):
        yield f"{(ms - opened_ms) / 1000:+10.3f} s  {text}"
    record = found.record
    if record is None or not record.attempts:
        return
    yield f"turns: {record.turns}, interruptions: {record.interruptions}{_replies(record)}"
    for line in record.usage:
        yield f"usage: {_used(line)}"


def _events(found: FoundCall) -> Iterator[tuple[int, str]]:
    """Yield what has happened, each with its unix ms."""
    call, record = _call(found), found.record
    steps = dict(found.room.steps_ms) if found.room else {}
    steps |= record.steps_ms if record else {}
    yield from ((steps[step], step.replace("_", " ")) for step in OF_THE_CALL if step in steps)
    for attempt in record.attempts if record else ():
        yield from _of_attempt(attempt)
    numbers = {attempt.attempt for attempt in record.attempts} if record else set()
    if found.room is not None and found.room.attempt not in numbers:
        yield from _running(found.room)
    if call["ended_ms"] is not None:
        by = f", by {call['ended_by']}" if call["ended_by"] else ""
        yield call["ended_ms"], f"{call['state']}{by}: {call['outcome'] or 'no reason'}"


def _of_attempt(attempt: StoredAttempt) -> Iterator[tuple[int, str]]:
    yield from _steps(attempt.attempt, attempt.steps_ms, f"by {attempt.worker}, version {attempt.version}")
    cause = f" ({attempt.cause.value})" if attempt.cause else ""
    yield attempt.ended_ms, f"attempt {attempt.attempt}: {attempt.ending.value}{cause}: {attempt.reason}"
    for problem in attempt.problems:
        what = "left for the next provider" if problem.fallback else "failed"
        text = f"{problem.kind} {problem.provider} {what}, {problem.times} times: {problem.error}"
        yield attempt.ended_ms, f"attempt {attempt.attempt}: {text.removesuffix(': ')}"


def _running(room: Room) -> Iterator[tuple[int, str]]:
    yield from _steps(room.attempt, room.steps_ms, f"by {room.worker}")


def _steps(number: int, steps_ms: dict[str, int], claimed: str) -> Iterator[tuple[int, str]]:
    for step, ms in steps_ms.items():
        if step not in NOT_SHOWN and step not in OF_THE_CALL:
            yield ms, f"attempt {number}: {step.replace('_', ' ')}{f' {claimed}' if step == 'claimed' else ''}"


def _replies(record: CallDetails) -> str:
    replies = [ms for attempt in record.attempts for ms in attempt.replies_ms]
    if not replies:
        return ""
    return f"; replies after {statistics.median(replies):.0f} ms (median), {max(replies)} ms (longest)"


def _used(line: UsageLine) -> str:
    amount = format_age(int(line.amount * 1000)) if line.unit.endswith("_duration") else f"{line.amount:g}"
    return f"{line.kind} {line.provider} {line.model}: {amount} {line.unit}"


def _call(found: FoundCall) -> dict[str, Any]:
    """Return the call; of one that is over its record, as soon as that is written."""
    record = found.record.call if found.record else None
    if record is not None and (record.state is not None or found.room is None):
        return as_object(record)
    if found.room is None:
        raise ValueError("a call that was found is in Redis or in the database")
    return as_object(found.room)


def details(found: FoundCall) -> dict[str, Any]:
    """Return the object that `--json` prints. Times are unix ms."""
    record = found.record
    return {
        **_call(found),
        "steps_ms": record.steps_ms if record and record.steps_ms else found.room.steps_ms if found.room else {},
        "attempts": [asdict(attempt) for attempt in record.attempts] if record else [],
        "usage": [asdict(line) for line in record.usage] if record else [],
        "turns": record.turns if record else 0,
        "interruptions": record.interruptions if record else 0,
    }
