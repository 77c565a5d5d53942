"""Following a room through Redis, and both sides' times on one scale."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from ops.caller.milestones import Moment
from tasks.rooms import Room, RoomStore

LOOK_SECONDS = 0.1


async def follow(rooms: RoomStore, sid: str, on_change: Callable[[Room, list[str]], None]) -> Room:
    """Look at the room until it is over; `on_change` is told of it whenever it has new steps, and of these."""
    known: set[str] = set()
    while True:
        room = await rooms.get(sid)
        if room is not None and (new := [step for step in room.steps_ms if step not in known]):
            known.update(new)
            on_change(room, new)
        if room is not None and not room.state.is_open:
            return room
        await asyncio.sleep(LOOK_SECONDS)


def on_one_scale(steps_ms: Mapping[str, int], moments_ms: Mapping[Moment, int]) -> dict[str, int]:
    """The steps that Redis knows and the moments that the caller noted, as ms since the first step of the room.

    Both are unix ms of this machine, or close to each other's clock; empty when the room never started.
    """
    if not steps_ms:
        return {}
    zero = steps_ms.get("room_started", min(steps_ms.values()))
    times = {**steps_ms, **{moment.value: ms for moment, ms in moments_ms.items()}}
    return {step: ms - zero for step, ms in sorted(times.items(), key=lambda item: item[1])}
