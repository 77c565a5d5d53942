"""`switchboard dead`: the rooms that could not be answered, why, and another try."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import aiohttp
from livekit import api
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tasks.errors import SwitchboardError
from tasks.queue.dispatcher import Dispatcher, Opened, RoomSeen
from tasks.redis_client import connect
from tasks.rooms import DeadLetter, RoomStore
from tasks.settings import QueueSettings, Settings

PIPE_WIDTH = 240
ANSWER_SECONDS = 5.0


class DeadError(Exception):
    """What was asked for cannot be done. The message is for the operator."""


def list_letters(*, limit: int, as_json: bool) -> int:
    """Print the newest dead letters, the newest first. The exit status."""
    return _run(_list(limit, as_json=as_json))


def show(letter: str) -> int:
    """Print all that is known of one, as JSON. The exit status."""
    return _run(_show(letter))


def replay(letter: str) -> int:
    """Have its room answered after all, if it is still there. The exit status."""
    return _run(_replay(letter))


def _run(doing: Coroutine[Any, Any, None]) -> int:
    try:
        asyncio.run(doing)
    except (DeadError, SwitchboardError) as error:
        print(error, file=sys.stderr)
        return 1
    except (RedisError, OSError) as error:
        print(f"Redis cannot be reached ({type(error).__name__}). Start it, or set REDIS_URL.", file=sys.stderr)
        return 1
    return 0


async def _list(limit: int, *, as_json: bool) -> None:
    async with connect(QueueSettings.read()) as redis:
        letters = await RoomStore(redis).dead_letters(limit)
    if as_json:
        print(json.dumps([_as_object(letter) for letter in letters]))
        return
    table = Table(box=None, header_style="bold")
    for column in ("id", "when", "room", "tenant", "attempt", "why"):
        table.add_column(column, overflow="fold")
    for letter in letters:
        cells = (letter.id, _when(letter), letter.name, letter.tenant, str(letter.attempt), letter.reason)
        table.add_row(*(Text(cell) for cell in cells))
    # Into a pipe nothing is folded, so that each letter stays one line.
    console = Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)
    console.print(table if letters else "no dead letters")


async def _show(wanted: str) -> None:
    async with connect(QueueSettings.read()) as redis:
        rooms = RoomStore(redis)
        letter = await _find(rooms, wanted)
        room = await rooms.get(letter.sid)
    state = "forgotten by Redis" if room is None else room.state.value
    print(json.dumps(_as_object(letter) | {"room_state": state, "steps_ms": room.steps_ms if room else {}}, indent=2))


async def _replay(wanted: str) -> None:
    settings = Settings.read()
    async with connect(settings) as redis:
        letter = await _find(RoomStore(redis), wanted)
    dispatcher = Dispatcher.from_settings(settings)
    try:
        opened = await dispatcher.replay(await _on_server(settings, letter))
    finally:
        await dispatcher.aclose()
    if opened not in {Opened.QUEUED, Opened.WAITING}:
        raise DeadError(f"{letter.name} is not dead any more.")
    print(f"{letter.name} is {opened}")


async def _find(rooms: RoomStore, wanted: str) -> DeadLetter:
    for letter in await rooms.dead_letters(limit=None):
        if wanted in {letter.id, letter.sid}:
            return letter
    raise DeadError(f"There is no dead letter {wanted}. Give an id or a room's sid from `switchboard dead list`.")


async def _on_server(settings: Settings, letter: DeadLetter) -> RoomSeen:
    """The room as it is now. Its metadata is not kept with the letter, and its caller may have hung up."""
    secret = settings.livekit_api_secret.get_secret_value()
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            api.LiveKitAPI(settings.livekit_url, settings.livekit_api_key, secret) as server,
        ):
            listed = await server.room.list_rooms(api.ListRoomsRequest(names=[letter.name]))
    except (aiohttp.ClientError, api.TwirpError, TimeoutError) as error:
        raise DeadError(
            f"The LiveKit server at {settings.livekit_url} does not answer: {str(error) or type(error).__name__}"
        ) from error
    for room in listed.rooms:
        if room.sid == letter.sid:
            return RoomSeen(room.sid, room.name, room.metadata, room.creation_time_ms or None)
    raise DeadError(f"{letter.name} is over, so there is nobody to answer.")


def _when(letter: DeadLetter) -> str:
    return datetime.fromtimestamp(int(letter.id.partition("-")[0]) / 1000, UTC).isoformat(timespec="seconds")


def _as_object(letter: DeadLetter) -> dict[str, Any]:
    return asdict(letter) | {"at": _when(letter)}
