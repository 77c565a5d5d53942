"""`switchboard dead`: the dead letters, and the replay of one. Each function returns the exit status."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ops.commands import terminal
from ops.commands.running import exit_status
from tasks.errors import SwitchboardError
from tasks.livekit_api import LiveKitClient, created_at_ms
from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.redis_client import connect
from tasks.rooms import DeadLetter, RoomStore
from tasks.settings import RedisSettings, Settings


class DeadLetterError(Exception):
    """Raised when a command cannot be carried out. The message is for the operator."""


def list_letters(*, limit: int, as_json: bool) -> int:
    """Print the newest dead letters, the newest first."""
    return _run(_list(limit, as_json=as_json))


def show(letter: str) -> int:
    """Print a dead letter as JSON, with the steps of its room."""
    return _run(_show(letter))


def replay(letter: str) -> int:
    """Queue the room of a dead letter again, if it still exists."""
    return _run(_replay(letter))


def _run(command: Coroutine[Any, Any, None]) -> int:
    return exit_status(command, DeadLetterError, SwitchboardError)


async def _list(limit: int, *, as_json: bool) -> None:
    async with connect(RedisSettings.read()) as redis:
        letters = await RoomStore(redis).list_dead_letters(limit)
    if as_json:
        print(json.dumps([_as_object(letter) for letter in letters]))
        return
    table = terminal.plain_table("id", "time", "room", "tenant", "attempt", "reason")
    for letter in letters:
        cells = (letter.id, _time(letter), letter.name, letter.tenant, str(letter.attempt), letter.reason)
        table.add_row(*terminal.cells(cells))
    terminal.console().print(table if letters else "no dead letters")


async def _show(id_or_sid: str) -> None:
    async with connect(RedisSettings.read()) as redis:
        rooms = RoomStore(redis)
        letter = await find_letter(rooms, id_or_sid)
        room = await rooms.get(letter.sid)
    state = "forgotten by Redis" if room is None else room.state.value
    print(json.dumps(_as_object(letter) | {"room_state": state, "steps_ms": room.steps_ms if room else {}}, indent=2))


async def _replay(id_or_sid: str) -> None:
    settings = Settings.read()
    async with connect(settings.redis) as redis:
        letter = await find_letter(RoomStore(redis), id_or_sid)
    dispatcher = Dispatcher.from_settings(settings)
    try:
        result = await replay_letter(settings, dispatcher, letter)
    finally:
        await dispatcher.aclose()
    print(f"{letter.name} is {result}")


async def replay_letter(settings: Settings, dispatcher: Dispatcher, letter: DeadLetter) -> DispatchResult:
    """Queue the room of a dead letter again. Return whether it is queued, or waits.

    Raises DeadLetterError, and SwitchboardError for what still keeps it from being answered.
    """
    result = await dispatcher.replay(await _fetch_room(settings, letter))
    if result is DispatchResult.BUSY:
        raise DeadLetterError(f"As many rooms of the tenant wait as may. Replay {letter.name} again when fewer do.")
    if result not in {DispatchResult.QUEUED, DispatchResult.WAITING}:
        raise DeadLetterError(f"{letter.name} is not dead any more.")
    return result


async def find_letter(rooms: RoomStore, id_or_sid: str) -> DeadLetter:
    """Return the dead letter with this id, or the newest one of the room with this sid. Raises DeadLetterError."""
    for letter in await rooms.list_dead_letters(limit=None):
        if id_or_sid in {letter.id, letter.sid}:
            return letter
    raise DeadLetterError(
        f"There is no dead letter {id_or_sid}. Give an id or a room's sid from `switchboard dead list`."
    )


async def _fetch_room(settings: Settings, letter: DeadLetter) -> RoomInfo:
    """Fetch the room from the LiveKit server: a dead letter has no metadata, and the caller may have hung up."""
    async with LiveKitClient.from_settings(settings.livekit) as livekit:
        rooms_of_that_name = await livekit.list_rooms(letter.name)
    for room in rooms_of_that_name:
        if room.sid == letter.sid:
            return RoomInfo(room.sid, room.name, room.metadata, created_at_ms(room) or None)
    raise DeadLetterError(f"{letter.name} is over, so there is no caller to answer.")


def written_ms(letter: DeadLetter) -> int:
    """Return when a dead letter was written, unix ms: its id is that of a stream's entry."""
    return int(letter.id.partition("-")[0])


def _time(letter: DeadLetter) -> str:
    return datetime.fromtimestamp(written_ms(letter) / 1000, UTC).isoformat(timespec="seconds")


def _as_object(letter: DeadLetter) -> dict[str, Any]:
    return asdict(letter) | {"at": _time(letter)}
