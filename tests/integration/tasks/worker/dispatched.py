"""Dispatch of some rooms, and a wait for the end of their calls."""

from __future__ import annotations

from pathlib import Path

from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.rooms import Intake, RoomStore, State
from tests.support.waiting import until


async def open_rooms(dispatcher: Dispatcher, prefix: str, count: int) -> list[str]:
    sids = [f"RM_{prefix}{number}" for number in range(count)]
    for sid in sids:
        assert await dispatcher.open(RoomInfo(sid, "call-acme-1")) in {DispatchResult.QUEUED, DispatchResult.WAITING}
    return sids


async def all_dead(rooms: RoomStore, sids: list[str]) -> None:
    async def dead() -> bool:
        found = [await rooms.get(sid) for sid in sids]
        return all(room is not None and room.state is State.DEAD for room in found)

    await until(dead)


def set_load(load: Path, value: str) -> None:
    """Write the load of the worker's host into the file that it reads."""
    load.write_text(value)


async def intake_becomes(rooms: RoomStore, intake: Intake) -> None:
    """Wait until the only worker's heartbeat says so."""

    async def so() -> bool:
        return [worker.state for worker in await rooms.list_workers()] == [intake]

    await until(so)
