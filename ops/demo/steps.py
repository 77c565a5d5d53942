"""Steps of a room, followed through Redis, and put onto one time scale with the caller's milestones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from ops.caller.milestones import Milestone
from tasks.rooms import Room, RoomStore

POLL_SECONDS = 0.1


async def follow_room(rooms: RoomStore, sid: str, on_change: Callable[[Room, list[str]], None]) -> Room:
    """Poll the room until it is over, and return it. `on_change` is called with the room and each of its new steps."""
    known: set[str] = set()
    while True:
        room = await rooms.get(sid)
        if room is not None and (new_steps := [step for step in room.steps_ms if step not in known]):
            known.update(new_steps)
            on_change(room, new_steps)
        if room is not None and not room.state.is_open:
            return room
        await asyncio.sleep(POLL_SECONDS)


def relative_times(steps_ms: Mapping[str, int], milestones_ms: Mapping[Milestone, int]) -> dict[str, int]:
    """Return the room's steps and the caller's milestones as ms since the room was started, in their order.

    Both are given in unix ms, by the clock of this machine or one close to it. Empty if the room never started.
    """
    if not steps_ms:
        return {}
    zero = steps_ms.get("room_started", min(steps_ms.values()))
    times = {**steps_ms, **{milestone.value: ms for milestone, ms in milestones_ms.items()}}
    return {step: ms - zero for step, ms in sorted(times.items(), key=lambda item: item[1])}
