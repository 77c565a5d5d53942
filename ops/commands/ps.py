"""`switchboard ps`: the rooms and the workers, as Redis has them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass

from redis.exceptions import AuthenticationError, RedisError

from ops.commands import terminal
from tasks.redis_client import connect
from tasks.rooms import Room, RoomStore, State, WorkerStatus
from tasks.settings import RedisSettings
from tasks.settings.process import now_ms

ROOM_COLUMNS = ("room", "state", "tenant", "tier", "worker", "pid", "attempt", "position", "age", "reason")
WORKER_COLUMNS = ("worker", "queues", "state", "calls", "spares", "slots", "load", "reserved")
COLOURS = {State.WAITING: "yellow", State.QUEUED: "yellow", State.DEAD: "red"}
UNANSWERED = (State.WAITING, State.QUEUED)
MINUTE, HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class View:
    """The rooms and the workers at one time: `now_ms`, in unix ms."""

    now_ms: int
    rooms: tuple[Room, ...]
    workers: tuple[WorkerStatus, ...]

    def age_ms(self, room: Room) -> int:
        """Return the time since the room's first step; of a room that is over, until its last step."""
        steps = list(room.steps_ms.values())
        if not steps:
            return 0
        last = self.now_ms if room.state.is_open else steps[-1]
        return max(0, last - steps[0])

    def positions(self) -> dict[str, int]:
        """Return the position of each unanswered room, by its sid: from 1 within its tenant, queued rooms first."""
        unanswered = [room for room in self.rooms if room.state in UNANSWERED]
        unanswered.sort(key=lambda room: (room.state is State.WAITING, room.arrived_us))
        counts: Counter[str] = Counter()
        positions = {}
        for room in unanswered:
            counts[room.tenant] += 1
            positions[room.sid] = counts[room.tenant]
        return positions

    def waiting_ms(self, room: Room) -> int | None:
        """Return how long an unanswered room has waited since it arrived; None for other rooms."""
        return max(0, self.now_ms - room.arrived_us // 1000) if room.state in UNANSWERED else None


def run(*, everything: bool, only_workers: bool, as_json: bool) -> int:
    """Print the rooms and the workers. Return the exit status: 0, or 1 with the reason on stderr.

    Raises InvalidSettings.
    """
    settings = RedisSettings.read()
    try:
        view = asyncio.run(read_view(settings, everything=everything, only_workers=only_workers))
    except AuthenticationError:
        print("Redis wants another password. Set REDIS_URL to redis://:password@host:port/0.", file=sys.stderr)
        return 1
    except (RedisError, OSError) as error:
        print(
            f"Redis at {_address(settings)} cannot be reached ({type(error).__name__}). Start it, or set REDIS_URL.",
            file=sys.stderr,
        )
        return 1
    if as_json:
        print(json.dumps(as_object(view)))
    else:
        print(as_text(view, only_workers=only_workers))
    return 0


def _address(settings: RedisSettings) -> str:
    """Return the configured address of Redis, without its password."""
    if settings.server.sentinels:
        return f"the address that the {settings.server} give for {settings.sentinel_master!r}"
    return str(settings.server)


async def read_view(settings: RedisSettings, *, everything: bool, only_workers: bool = False) -> View:
    """Read the open rooms (`everything`: the others too) and the workers. Raises RedisError or OSError."""
    async with connect(settings) as redis:
        store = RoomStore(redis)
        rooms: list[Room] = []
        if not only_workers:
            rooms = await store.list_all() if everything else await store.list_open()
        workers = await store.list_workers()
    rooms.sort(key=lambda room: next(iter(room.steps_ms.values()), 0))
    return View(now_ms(), tuple(rooms), tuple(workers))


def as_object(view: View) -> dict[str, object]:
    """Return the object that `--json` prints. Ages are in ms, steps in unix ms."""
    positions = view.positions()
    return {
        "rooms": [
            {
                "sid": room.sid,
                "name": room.name,
                "state": room.state.value,
                "tenant": room.tenant,
                "tier": room.tier,
                "queue": room.queue,
                "worker": room.worker,
                "pid": room.pid,
                "attempt": room.attempt,
                "age_ms": view.age_ms(room),
                "position": positions.get(room.sid),
                "waiting_ms": view.waiting_ms(room),
                "reason": room.reason,
                "steps_ms": room.steps_ms,
            }
            for room in view.rooms
        ],
        "workers": [
            {
                "node": worker.node,
                "queues": list(worker.queues),
                "slots": worker.slots,
                "idle": worker.idle,
                "busy": worker.busy,
                "load": worker.load,
                "reserved": worker.reserved,
                "state": worker.state,
                "pid": worker.pid,
                "problem": worker.problem,
            }
            for worker in view.workers
        ],
    }


def as_text(view: View, *, only_workers: bool = False) -> str:
    """Return the tables: a line for each room, the oldest first, and one for each worker."""
    parts = [] if only_workers else ["rooms", *_room_lines(view), ""]
    return "\n".join([*parts, "workers", *_worker_lines(view)])


def _room_lines(view: View) -> list[str]:
    positions = view.positions()
    rows = []
    for room in view.rooms:
        waiting_ms = view.waiting_ms(room)
        age = format_age(view.age_ms(room) if waiting_ms is None else waiting_ms)
        row = [room.name, room.state.value, room.tenant, room.tier, room.worker, str(room.pid or "")]
        rows.append([*row, str(room.attempt), str(positions.get(room.sid, "")), age, room.reason])
    head, *lines = terminal.table_lines(ROOM_COLUMNS, rows, right=("attempt", "position", "age"))
    coloured = [terminal.coloured(line, COLOURS.get(room.state)) for room, line in zip(view.rooms, lines, strict=True)]
    return [head, *(coloured or ["none"])]


def _worker_lines(view: View) -> list[str]:
    rows = []
    for worker in view.workers:
        state = f"{worker.state}: {worker.problem}" if worker.problem else worker.state
        row = [worker.node, ",".join(worker.queues), state, str(worker.busy)]
        rows.append([*row, str(worker.idle), str(worker.slots), f"{worker.load:.0%}", f"{worker.reserved:.0%}"])
    head, *lines = terminal.table_lines(WORKER_COLUMNS, rows, right=WORKER_COLUMNS[3:])
    return [head, *(lines or ["none"])]


def format_age(ms: int) -> str:
    """Return a duration as `4 s`, `3 min 05 s` or `2 h 10 min`."""
    seconds = ms // 1000
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min {seconds % MINUTE:02} s"
    return f"{seconds // HOUR} h {seconds % HOUR // MINUTE:02} min"
