"""`switchboard calls why ROOM`: why a call is not answered yet, from Redis alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from ops.commands import terminal
from ops.commands.calls.lookup import CallCommandError, find_room
from ops.commands.calls.lookup import run as run_command
from ops.commands.ps import format_age
from tasks.redis_client import connect
from tasks.rooms import Room, RoomStore, State, WorkerStatus
from tasks.rooms.explanation import Cause, Explanation, LimitUse, explain
from tasks.settings import RedisSettings

MOST_NAMED = 5

CAUSES: Mapping[Cause, str] = {
    Cause.TENANT_LIMIT: "its tenant has as many calls as it may (max_calls)",
    Cause.TIER_LIMIT: "its tier has as many calls as it may (SWITCHBOARD_TIER_CAPS)",
    Cause.UNCLAIMED_LIMIT: "its tenant has as many calls in the queue as it may (SWITCHBOARD_QUEUED_PER_TENANT)",
    Cause.ORDER: "calls of its tenant that have waited for longer come first",
    Cause.DELAY: "attempts have failed within seconds, and the next one has a delay",
    Cause.NO_WORKER: "no worker takes calls from its queue: start one with -Q",
    Cause.NO_INTAKE: "each worker of its queue has a reason to take no call now",
    Cause.SOON: "nothing keeps it back: it is about to be taken",
}
LIMITS: Mapping[Cause, str] = {
    Cause.TENANT_LIMIT: "limit of the tenant",
    Cause.TIER_LIMIT: "limit of the tier",
    Cause.UNCLAIMED_LIMIT: "limit of the tenant's calls in a queue",
}


def run(name_or_sid: str, *, as_json: bool) -> int:
    """Print why a call is not answered yet. Return the exit status."""
    return run_command(_why(name_or_sid, as_json=as_json))


async def _why(name_or_sid: str, *, as_json: bool) -> None:
    async with connect(RedisSettings.read()) as redis:
        rooms = RoomStore(redis)
        room = await find_room(rooms, name_or_sid)
        if room is None:
            raise CallCommandError(await _unknown(rooms, name_or_sid))
        explanation = await explain(redis, room) if room.state in {State.WAITING, State.QUEUED} else None
        names = await _holders(rooms, explanation)
    if as_json:
        print(json.dumps(as_object(room, explanation), ensure_ascii=False))
        return
    for line in lines(room, explanation, names):
        print(terminal.printable(line))


async def _unknown(rooms: RoomStore, name_or_sid: str) -> str:
    """Return what is known of a room that was never opened, or that Redis has forgotten."""
    for waiting in await rooms.waitlist.list_tenantless(1000):
        if name_or_sid in {waiting.sid, waiting.name}:
            seconds = format_age(waiting.waited_ms)
            return (
                f"{waiting.name} names no tenant yet, for {seconds}. Put tenant_id into its metadata, or set "
                "SWITCHBOARD_DEFAULT_TENANT; else it will be a dead letter (SWITCHBOARD_TENANT_WAIT_SECONDS)."
            )
    for letter in await rooms.list_dead_letters(limit=None):
        if name_or_sid in {letter.sid, letter.name}:
            return f"{letter.name} could not be answered: {letter.reason} (switchboard dead show {letter.id})"
    return (
        f"Redis knows no room {name_or_sid}. If LiveKit has it, no webhook of it has arrived: `switchboard doctor` "
        "says whether webhooks arrive. If its call is over, Redis forgets it after an hour."
    )


async def _holders(rooms: RoomStore, explanation: Explanation | None) -> dict[str, str]:
    """Return a few words on each room that holds a permit which is wanted, by its sid."""
    limits = [limit for limit in explanation.limits if limit.is_full] if explanation else []
    named: dict[str, str] = {}
    for sid in dict.fromkeys(sid for limit in limits for sid in limit.holders[:MOST_NAMED]):
        room = await rooms.get(sid)
        if room is not None:
            where = f"{room.state.value}, {room.worker}" if room.worker else room.state.value
            named[sid] = f"{room.name} ({where})"
    return named


def lines(room: Room, explanation: Explanation | None, names: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines that are printed. `names`: a few words on each room that holds a permit, by its sid."""
    of = f"tenant {room.tenant}, tier {room.tier}, attempt {room.attempt}"
    if explanation is None:
        yield f"{room.name} ({room.sid}) does not wait: it is {room.state.value}; {of}"
        yield _instead(room)
        return
    waited = format_age(explanation.waited_ms)
    yield f"{room.name} ({room.sid}) is {room.state.value}, for {waited}; {of}"
    for cause in explanation.causes:
        yield f"because {CAUSES[cause]}"
    yield f"position: {explanation.position} among the calls of {room.tenant}"
    if room.state is State.QUEUED:
        yield f"queue {room.queue}: {explanation.ahead} before it"
    if explanation.delay_ms:
        yield f"delay: {format_age(explanation.delay_ms)} more; the last attempt: {room.reason}"
    yield from (_limit(limit, names) for limit in explanation.limits)
    yield f"workers of queue {room.queue}: {len(explanation.workers) or 'none'}"
    yield from (_worker(worker) for worker in explanation.workers)


def _instead(room: Room) -> str:
    if room.state is State.RUNNING:
        return f"answered by {room.worker}, process {room.pid}"
    replay = f"; switchboard dead replay {room.sid}" if room.state is State.DEAD else ""
    return f"reason: {room.reason or 'none'}{replay}"


def _limit(limit: LimitUse, names: Mapping[str, str]) -> str:
    if limit.most is None:
        return f"{LIMITS[limit.cause]}: none, {limit.held} held"
    text = f"{LIMITS[limit.cause]}: {limit.held} of {limit.most} held"
    if not limit.is_full:
        return text
    holders = ", ".join(names.get(sid, sid) for sid in limit.holders[:MOST_NAMED])
    more = limit.held - min(MOST_NAMED, len(limit.holders))
    return f"{text}, by {holders}{f' and {more} more' if more > 0 else ''}"


def _worker(worker: WorkerStatus) -> str:
    problem = f": {worker.problem}" if worker.problem else ""
    load = f"load {worker.load:.0%} and {worker.reserved:.0%} reserved"
    return f"  {worker.node}: {worker.state}{problem}; {worker.idle} idle, {worker.busy} busy, {load}"


def as_object(room: Room, explanation: Explanation | None) -> dict[str, Any]:
    """Return the object that `--json` prints. Times are in ms."""
    known = {"sid": room.sid, "name": room.name, "tenant": room.tenant, "tier": room.tier, "state": room.state.value}
    known_of_attempt = {"attempt": room.attempt, "worker": room.worker, "reason": room.reason}
    if explanation is None:
        return known | known_of_attempt | {"waits": False}
    return known | known_of_attempt | {"waits": True} | asdict(explanation)
