"""`switchboard ps`: the rooms and the workers, from Redis."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

from redis.exceptions import AuthenticationError, RedisError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tasks.errors import InvalidSetting
from tasks.redis_client import connect
from tasks.rooms import Room, RoomStore, State, WorkerStatus
from tasks.settings import QueueSettings

COLOURS = {State.WAITING: "yellow", State.QUEUED: "yellow", State.RUNNING: "green", State.DEAD: "red"}
UNANSWERED = (State.WAITING, State.QUEUED)
MINUTE, HOUR = 60, 3600
PIPE_WIDTH = 240


@dataclass(frozen=True, slots=True)
class View:
    """What there was to see at `now_ms`, unix time."""

    now_ms: int
    rooms: tuple[Room, ...]
    workers: tuple[WorkerStatus, ...]

    def age_ms(self, room: Room) -> int:
        """Since the room's first step: how long it lives, or lived."""
        steps = list(room.steps_ms.values())
        if not steps:
            return 0
        last = self.now_ms if room.state.is_open else steps[-1]
        return max(0, last - steps[0])

    def places(self) -> dict[str, int]:
        """Sid -> place of a room that waits for an answer: among its tenant's, from 1, those in line last."""
        waiting = [room for room in self.rooms if room.state in UNANSWERED]
        waiting.sort(key=lambda room: (room.state is State.WAITING, room.arrived_us))
        counted: Counter[str] = Counter()
        found = {}
        for room in waiting:
            counted[room.tenant] += 1
            found[room.sid] = counted[room.tenant]
        return found

    def waits_ms(self, room: Room) -> int | None:
        """Since when a room waits for an answer, in ms until now."""
        return max(0, self.now_ms - room.arrived_us // 1000) if room.state in UNANSWERED else None


def run(*, everything: bool, only_workers: bool, as_json: bool) -> int:
    """Print it on stdout, with or without the rooms. 0, or 1 with the reason on stderr."""
    try:
        settings = QueueSettings.read()
    except InvalidSetting as error:
        print(error, file=sys.stderr)
        return 1
    try:
        view = asyncio.run(look(settings, everything=everything, only_workers=only_workers))
    except AuthenticationError:
        print("Redis wants another password. Set REDIS_URL to redis://:password@host:port/0.", file=sys.stderr)
        return 1
    except (RedisError, OSError) as error:
        print(
            f"Redis at {_place(settings)} cannot be reached ({type(error).__name__}). Start it, or set REDIS_URL.",
            file=sys.stderr,
        )
        return 1
    if as_json:
        print(json.dumps(as_object(view)))
    elif only_workers:
        _console().print(workers_table(view))
    else:
        _console().print(rooms_table(view), workers_table(view), sep="\n")
    return 0


def _place(settings: QueueSettings) -> str:
    """Where it should be, without its password."""
    if settings.sentinels is not None:
        asked = ", ".join(f"{host}:{port}" for host, port in settings.sentinels.addresses)
        return f"the place that Sentinels ({asked}) give for {settings.sentinel_master!r}"
    where = urlsplit(settings.redis_url.get_secret_value())
    return f"{where.hostname or where.path}:{where.port or 6379}"


def _console() -> Console:
    # Into a pipe nothing is folded, so that each room stays one line.
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


async def look(settings: QueueSettings, *, everything: bool, only_workers: bool = False) -> View:
    """Read the open rooms (`everything`: the others too) and the workers. Raises RedisError or OSError."""
    async with connect(settings) as redis:
        store = RoomStore(redis)
        rooms: list[Room] = []
        if not only_workers:
            rooms = await store.list_all() if everything else await store.list_open()
        workers = await store.workers()
    rooms.sort(key=lambda room: next(iter(room.steps_ms.values()), 0))
    return View(int(time.time() * 1000), tuple(rooms), tuple(workers))


def as_object(view: View) -> dict[str, object]:
    """For `--json`. Ages in ms, steps in unix ms."""
    places = view.places()
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
                "position": places.get(room.sid),
                "waits_ms": view.waits_ms(room),
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
                "load": worker.load,
                "reserved": worker.reserved,
                "state": worker.state,
                "pid": worker.pid,
            }
            for worker in view.workers
        ],
    }


def rooms_table(view: View) -> Table:
    """One line for each room, the oldest first."""
    table = Table(title="rooms", title_justify="left", box=None, header_style="bold")
    for column in ("room", "state", "tenant", "tier", "worker", "pid"):
        table.add_column(column, overflow="fold")
    table.add_column("attempt", justify="right")
    table.add_column("place", justify="right")
    table.add_column("age", justify="right")
    table.add_column("why", overflow="fold")
    places = view.places()
    for room in view.rooms:
        # Names come from outside, so they are text and not markup.
        cells = [room.name, room.state.value, room.tenant, room.tier, room.worker, str(room.pid or "")]
        since = view.waits_ms(room)
        cells += [str(room.attempt), str(places.get(room.sid, "")), age(view.age_ms(room) if since is None else since)]
        texts = [Text(cell) for cell in (*cells, room.reason)]
        texts[1].stylize(COLOURS.get(room.state, "dim"))
        table.add_row(*texts)
    if not view.rooms:
        table.add_row(Text("none", style="dim"))
    return table


def workers_table(view: View) -> Table:
    """One line for each worker."""
    table = Table(title="workers", title_justify="left", box=None, header_style="bold")
    for column in ("worker", "queues", "state"):
        table.add_column(column, overflow="fold")
    for column in ("calls", "slots", "load", "reserved"):
        table.add_column(column, justify="right")
    for worker in view.workers:
        cells = [worker.node, ",".join(worker.queues), worker.state, str(worker.slots - worker.idle)]
        cells += [str(worker.slots), f"{worker.load:.0%}", f"{worker.reserved:.0%}"]
        table.add_row(*(Text(cell) for cell in cells))
    if not view.workers:
        table.add_row(Text("none", style="dim"))
    return table


def age(ms: int) -> str:
    """`4 s`, `3 min 05 s`, `2 h 10 min`."""
    seconds = ms // 1000
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min {seconds % MINUTE:02} s"
    return f"{seconds // HOUR} h {seconds % HOUR // MINUTE:02} min"
