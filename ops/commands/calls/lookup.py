"""A room that an operator names, and the run of a command about it."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from ops.commands.running import exit_status
from tasks.errors import SwitchboardError
from tasks.rooms import Room, RoomStore


class CallCommandError(Exception):
    """Raised when a command cannot be carried out. The message is for the operator."""


def run(command: Coroutine[Any, Any, None]) -> int:
    """Run a command and return the exit status: 0, or 1 with the reason on stderr."""
    return exit_status(command, CallCommandError, SwitchboardError)


async def find_room(rooms: RoomStore, name_or_sid: str) -> Room | None:
    """Return the room with this sid or name; of several with a name the open one, or else the newest. None: unknown."""
    if (room := await rooms.get(name_or_sid)) is not None:
        return room
    for known in (await rooms.list_open(), await rooms.list_all()):
        named = [room for room in known if room.name == name_or_sid]
        if named:
            return max(named, key=lambda room: (room.opened_ms, room.sid))
    return None
