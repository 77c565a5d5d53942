"""`switchboard calls end` and `switchboard calls move`. Each function returns the exit status."""

from __future__ import annotations

import asyncio
import time

from ops.commands.calls.lookup import CallCommandError, find_room, run
from tasks.redis_client import connect
from tasks.rooms import CallOperations, EndRequestResult, Intake, Room, RoomStore, State
from tasks.settings import RedisSettings

POLL_SECONDS = 0.2
END_SECONDS = 20.0
"""The agent's shutdown callbacks have 10 s by default, after the next renewal of the lease."""
MOVE_SECONDS = 30.0
"""A renewal, the end of a turn, and a worker with a free slot."""


def end(name_or_sid: str) -> int:
    """End a call, and wait until it is over."""
    return run(_end(name_or_sid))


def move(name_or_sid: str, *, force: bool) -> int:
    """Hand a call over, and wait until another attempt has it."""
    return run(_move(name_or_sid, force=force))


async def _end(name_or_sid: str) -> None:
    async with connect(RedisSettings.read()) as redis:
        rooms = RoomStore(redis)
        room = await _known(rooms, name_or_sid)
        result = await CallOperations(redis).end(room.sid)
        if result in {EndRequestResult.OVER, EndRequestResult.UNKNOWN}:
            raise CallCommandError(f"{room.name} is over already: {room.reason or room.state.value}.")
        deadline = time.monotonic() + END_SECONDS
        while (now := await rooms.get(room.sid)) is not None and now.state.is_open:
            if time.monotonic() > deadline:
                worker = f"worker {now.worker}" if now.worker else "the next worker"
                raise CallCommandError(
                    f"{room.name} is asked to end, and has not yet. Its agent may be busy with its shutdown; "
                    f"the log of {worker} says more."
                )
            await asyncio.sleep(POLL_SECONDS)
    print(f"{room.name} is over")


async def _move(name_or_sid: str, *, force: bool) -> None:
    async with connect(RedisSettings.read()) as redis:
        rooms = RoomStore(redis)
        room = await _known(rooms, name_or_sid)
        if room.state is not State.RUNNING:
            raise CallCommandError(f"{room.name} is {room.state.value}: only a running call can be handed over.")
        if not force:
            await _require_another_worker(rooms, room)
        if not await CallOperations(redis).move(room.sid, room.attempt):
            raise CallCommandError(f"{room.name} is about to end, or another attempt has it by now. Look again.")
        after = await _wait_for_next_attempt(rooms, room)
    print(f"{room.name} is handed over from {room.worker} to {after.worker}")


async def _known(rooms: RoomStore, name_or_sid: str) -> Room:
    room = await find_room(rooms, name_or_sid)
    if room is None:
        raise CallCommandError(f"Redis knows no room {name_or_sid}. `switchboard ps` lists the open ones.")
    return room


async def _require_another_worker(rooms: RoomStore, room: Room) -> None:
    """Raise if the caller would be left without an agent for longer than a hand-over takes."""
    others = [worker for worker in await rooms.list_workers() if room.queue in worker.queues]
    others = [worker for worker in others if worker.node != room.worker]
    if any(worker.state == Intake.OPEN and worker.idle for worker in others):
        return
    states = "; ".join(f"{worker.node}: {worker.state}" for worker in others) or "there is none"
    raise CallCommandError(
        f"No other worker can take a call of {room.tier} now ({states}), so the caller might have to wait. "
        "Nothing was done; --force hands the call over all the same."
    )


async def _wait_for_next_attempt(rooms: RoomStore, before: Room) -> Room:
    deadline = time.monotonic() + MOVE_SECONDS
    while True:
        room = await rooms.get(before.sid)
        if room is None or not room.state.is_open:
            raise CallCommandError(f"{before.name} has ended meanwhile: {room.reason if room else 'it is forgotten'}.")
        if room.attempt > before.attempt and room.state is State.RUNNING:
            return room
        if time.monotonic() > deadline:
            where = "still with " + room.worker if room.worker else "queued"
            raise CallCommandError(
                f"{before.name} is {where} after {MOVE_SECONDS:.0f} s. It is handed over as soon as that can be: "
                f"switchboard calls why {before.name}"
            )
        await asyncio.sleep(POLL_SECONDS)
