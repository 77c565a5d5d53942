"""`switchboard calls list`: open calls from Redis and those that are over from the database."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.commands import terminal
from ops.commands.calls.lookup import CallCommandError, run
from ops.commands.ps import format_age
from tasks.records import CallFilter, Database, RecordStore, StoredCall
from tasks.records.directory import CallDirectory
from tasks.redis_client import connect
from tasks.rooms import CallState, Room, State
from tasks.rooms.open_rooms import OpenRooms
from tasks.settings import DatabaseSettings, RedisSettings

OPEN = frozenset({State.WAITING, State.QUEUED, State.RUNNING})
REDIS_SECONDS = 10.0

_AGO = re.compile(r"(\d{1,6}) ?(min|h|d)")
_SECONDS = {"min": 60, "h": 3600, "d": 24 * 3600}


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The options of the command. Each is None where it is not given."""

    tenant: str | None
    room: str | None
    number: str | None
    since: str | None
    state: str | None
    outcome: str | None
    cursor: str | None
    limit: int


def list_calls(options: ListOptions, *, as_json: bool) -> int:
    """Print a page of calls, the newest first. Return the exit status."""
    return run(_list(options, as_json=as_json))


@asynccontextmanager
async def open_directory() -> AsyncIterator[CallDirectory]:
    """Open Redis and the database of the settings."""
    async with connect(RedisSettings.read()) as redis, Database.open(DatabaseSettings.read()) as database:
        yield CallDirectory(OpenRooms(redis), RecordStore(database), redis_seconds=REDIS_SECONDS)


async def _list(options: ListOptions, *, as_json: bool) -> None:
    state = options.state
    wanted = CallFilter(
        tenant=options.tenant,
        name=options.room,
        number=options.number,
        since_ms=None if options.since is None else _since_ms(options.since),
        state=CallState(state) if state in set(CallState) else None,
        outcome=options.outcome,
    )
    states = frozenset({State(state)}) if state in OPEN else None if state in {None, "live"} else frozenset()
    async with open_directory() as directory:
        page = await directory.list_calls(
            wanted,
            states=states,
            recorded=state not in {"live", *OPEN},
            cursor=options.cursor,
            limit=options.limit,
        )
    if as_json:
        calls = [as_object(call) for call in page.calls]
        print(json.dumps({"calls": calls, "next_cursor": page.next_cursor}, ensure_ascii=False))
        return
    columns = ("opened", "room", "sid", "tenant", "state", "from", "number", "attempt", "lasted", "outcome", "worker")
    table = terminal.plain_table(*columns)
    for call in page.calls:
        table.add_row(*terminal.cells(_cells(call)))
    terminal.console().print(table if page.calls else "no calls")
    if page.next_cursor:
        print(f"more: --cursor {page.next_cursor}")


def _cells(call: Room | StoredCall) -> tuple[str, ...]:
    shown = as_object(call)
    lasted = "" if shown["ended_ms"] is None else format_age(shown["ended_ms"] - call.opened_ms)
    return (
        shown_time(call.opened_ms),
        call.name,
        call.sid,
        call.tenant,
        shown["state"],
        shown["source"],
        call.number or "",
        str(call.attempt),
        lasted,
        shown["outcome"],
        call.worker,
    )


def as_object(call: Room | StoredCall) -> dict[str, Any]:
    """Return what `--json` prints of a call. `source`: `redis` for an open one, `database`. Times are unix ms."""
    if isinstance(call, StoredCall):
        stored = asdict(call) | {"state": call.state.value if call.state else "unknown"}
        return {**stored, "ended_by": call.ended_by.value if call.ended_by else None, "source": "database"}
    ended_ms = call.steps_ms.get("ended")
    return {
        "sid": call.sid,
        "opened_ms": call.opened_ms,
        "name": call.name,
        "tenant": call.tenant,
        "tier": call.tier,
        "number": call.number or None,
        "state": call.state.value,
        "outcome": call.reason if not call.state.is_open else "",
        "ended_by": call.ended_by or None,
        "public_reason": call.public_reason,
        "attempt": call.attempt,
        "worker": call.worker,
        "ended_ms": None if call.state.is_open else ended_ms,
        "source": "redis",
    }


def shown_time(ms: int) -> str:
    """Return a time as a person reads it, in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")


def _since_ms(text: str) -> int:
    """Return the time of `2 h`, `30 min` and `7 d` ago, or of a date and time in UTC. Raises CallCommandError."""
    if ago := _AGO.fullmatch(text.strip()):
        seconds = int(ago[1]) * _SECONDS[ago[2]]
        return int((datetime.now(UTC) - timedelta(seconds=seconds)).timestamp() * 1000)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise CallCommandError(
            f"--since: {text!r} is no time. Write 2026-11-30, 2026-11-30T12:00, 30min, 2h or 7d."
        ) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)
