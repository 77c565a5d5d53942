"""Two workers of one queue. The host of one gets busy: it takes no more calls, and the other one answers them.

The load is a real one, a loop on each core at the lowest priority, so that what is measured beside it is not slowed
down. Both workers are on this host, so the other one is told by a file that its host is quiet, from the moment on at
which the first one's gets busy: before, only the first one takes calls, and it must take one to count. With `--load`
both are told by files, and the busy one's says from one moment to the next that its host has no CPU left.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ops.caller.errors import CallError
from ops.stack import ManagedProcess, Stack, StackOptions, Worker, WorkerSpec, environment
from tasks.rooms import Room, RoomStore
from tests.acceptance.installation import Installation
from tests.bench.call import Answer
from tests.bench.ours import TENANTS
from tests.bench.pair import Pairs
from tests.bench.row import Row, all_of_them, at_most
from tests.bench.side import CALM_LOAD, CALM_SECONDS
from tests.bench.size import Size
from tests.bench.stats import came, share_within
from tests.support.waiting import until

SLOTS = 16
SOON_SECONDS = (0.0, 0.3, 1.3)
APART_SECONDS = 2.0
"""A call that starts costs a second of CPU, and here callers and servers share it."""
TAKES_SECONDS = 2.0
ANSWERED_SECONDS = 1.5
PATIENCE_SECONDS = 10.0
QUIET = "0.1"
BUSY = "1"


class Loop(ManagedProcess):
    """Uses a core, as far as nobody else wants it."""

    def command(self) -> list[str]:
        return ["nice", "-n", "19", sys.executable, "-S", "-c", "while True: pass"]

    async def is_ready(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Taken:
    """A call that began `began` seconds after the load had come, and the room as it was in the end."""

    began: float
    answer: Answer
    room: Room | None

    def by(self, worker: Worker) -> bool:
        return self.room is not None and self.room.worker == worker.node


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    await pairs.aclose()
    directory = Path(tempfile.mkdtemp(prefix="intake-", dir=pairs.directory))
    quiet, busy = directory / "quiet", directory / "busy"
    quiet.write_text(BUSY)
    busy.write_text(QUIET)
    told = {"SWITCHBOARD_LOAD_FILE": str(quiet), "SWITCHBOARD_CALL_CORES": "0"}
    workers = (
        WorkerSpec(
            "busy", ("premium",), slots=SLOTS, env=told | {"SWITCHBOARD_LOAD_FILE": str(busy)} if pairs.load else {}
        ),
        WorkerSpec("free", ("premium",), slots=SLOTS, env=told),
    )
    options = StackOptions(directory, pairs.binaries, workers=workers, tenants=TENANTS)
    async with Stack.start(options) as stack, stack.redis.client() as client, AsyncExitStack() as loading:
        installation = Installation(stack, RoomStore(client))
        await _all_idle(installation)
        loaded_at = time.time()
        quiet.write_text(QUIET)
        if pairs.load:
            busy.write_text(BUSY)
        else:
            await loading.enter_async_context(_real_load(directory))
        taken = await _call(installation, size.intake_calls, loaded_at)
        return _rows(taken, stack.workers["busy"], stack.workers["free"], "told" if pairs.load else "real")


async def _all_idle(installation: Installation) -> None:
    async def idle() -> bool:
        statuses = await installation.rooms.workers()
        return len(statuses) == 2 and all(status.idle == SLOTS for status in statuses)

    async def quiet() -> bool:
        return sum(status.load <= CALM_LOAD for status in await installation.rooms.workers()) == 1

    await until(idle, 60)
    try:
        await until(quiet, CALM_SECONDS)
    except TimeoutError:
        return


@asynccontextmanager
async def _real_load(directory: Path) -> AsyncIterator[None]:
    async with AsyncExitStack() as stopping:
        for number in range(psutil.cpu_count() or 1):
            loop = Loop(f"loop-{number}", directory, environment.inherited())
            stopping.push_async_callback(loop.stop)
            await loop.start()
        yield


async def _call(installation: Installation, count: int, loaded_at: float) -> list[Taken]:
    async def call(number: int) -> Taken:
        later = TAKES_SECONDS + 0.5 + APART_SECONDS * (number - len(SOON_SECONDS))
        await asyncio.sleep(SOON_SECONDS[number] if number < len(SOON_SECONDS) else later)
        began = time.time() - loaded_at
        name = installation.room_name("bench")
        async with installation.call("bench", room=name) as caller:
            with suppress(CallError):
                await caller.ear.sound(0, PATIENCE_SECONDS)
            answer = Answer(caller.room_sid, caller.clock.unix_ms(0), caller.moments.ms)
        await installation.delete_room(name)
        return Taken(began, answer, await installation.rooms.get(answer.sid))

    return list(await asyncio.gather(*(call(number) for number in range(count))))


def _rows(taken: Sequence[Taken], busy: Worker, free: Worker, kind: str) -> list[Row]:
    loaded_ms = min(one.answer.began_ms - one.began * 1000 for one in taken)
    claimed = [one.room.steps_ms["claimed"] - loaded_ms for one in taken if one.room is not None and one.by(busy)]
    later = [one for one in taken if one.began > TAKES_SECONDS]
    waited = [one.room.steps_ms["claimed"] - one.room.steps_ms["queued"] for one in later if one.room and one.by(free)]
    heard = [one.answer.heard_ms if one.by(free) else None for one in later]
    return [
        Row(
            f"intake: last call that a worker takes after its host has got busy ({kind} load)",
            "s",
            max(claimed) / 1000 if claimed else None,
            goal=at_most(TAKES_SECONDS, "s"),
            samples={"ours": [ms / 1000 for ms in claimed]},
        ),
        Row(
            f"intake: later calls answered within {ANSWERED_SECONDS:g} s by a free worker, of {len(later)}",
            "%",
            share_within(heard, ANSWERED_SECONDS * 1000),
            goal=all_of_them(),
            samples={"ours": heard},
        ),
        Row("intake: queued to claimed of these, max", "ms", max(waited, default=None)),
        Row("intake: first audio of these heard, max", "ms", max(came(heard), default=None)),
    ]
