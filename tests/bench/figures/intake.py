"""Intake: two workers of one queue. The host of one gets busy: it takes no more calls, and the other answers them.

The load is real: a loop on each core at the lowest priority, so that it does not slow the measured processes down. Both
workers run on this host. So the free one reads its load from a file: busy at first, so that only the other worker takes
calls, and quiet as soon as the load begins. With `--load` both read files, and the busy one's changes from quiet to no
CPU left.
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
from tests.bench.pair import Pairs
from tests.bench.providers import TENANTS
from tests.bench.row import Row, at_most, one_hundred_percent
from tests.bench.side import QUIET_LOAD, QUIET_WAIT_SECONDS
from tests.bench.size import Size
from tests.bench.stats import present, share_within
from tests.support.waiting import until

SLOTS = 16
SOON_SECONDS = (0.0, 0.3, 1.3)
APART_SECONDS = 2.0
"""The start of a call costs a second of CPU, which callers and servers share here."""
NOTICE_SECONDS = 2.0
ANSWERED_SECONDS = 1.5
TIMEOUT_SECONDS = 10.0
QUIET = "0.1"
BUSY = "1"


class Loop(ManagedProcess):
    """A busy loop that uses a core as far as no other process needs it."""

    def command(self) -> list[str]:
        return ["nice", "-n", "19", sys.executable, "-S", "-c", "while True: pass"]

    async def is_ready(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class IntakeCall:
    """A call that began `began` seconds after the load, and its room at the end."""

    began: float
    answer: Answer
    room: Room | None

    def answered_by(self, worker: Worker) -> bool:
        return self.room is not None and self.room.worker == worker.node


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    await pairs.aclose()
    directory = Path(tempfile.mkdtemp(prefix="intake-", dir=pairs.directory))
    quiet, busy = directory / "quiet", directory / "busy"
    quiet.write_text(BUSY)
    busy.write_text(QUIET)
    free_env = {"SWITCHBOARD_LOAD_FILE": str(quiet), "SWITCHBOARD_CALL_CORES": "0"}
    workers = (
        WorkerSpec(
            "busy", ("premium",), slots=SLOTS, env=free_env | {"SWITCHBOARD_LOAD_FILE": str(busy)} if pairs.load else {}
        ),
        WorkerSpec("free", ("premium",), slots=SLOTS, env=free_env),
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
        calls = await _call(installation, size.intake_calls, loaded_at)
        return _rows(calls, stack.workers["busy"], stack.workers["free"], "simulated" if pairs.load else "real")


async def _all_idle(installation: Installation) -> None:
    async def idle() -> bool:
        statuses = await installation.rooms.list_workers()
        return len(statuses) == 2 and all(status.idle for status in statuses)

    async def quiet() -> bool:
        return sum(status.load <= QUIET_LOAD for status in await installation.rooms.list_workers()) == 1

    await until(idle, 60)
    try:
        await until(quiet, QUIET_WAIT_SECONDS)
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


async def _call(installation: Installation, count: int, loaded_at: float) -> list[IntakeCall]:
    async def call(number: int) -> IntakeCall:
        later = NOTICE_SECONDS + 0.5 + APART_SECONDS * (number - len(SOON_SECONDS))
        await asyncio.sleep(SOON_SECONDS[number] if number < len(SOON_SECONDS) else later)
        began = time.time() - loaded_at
        name = installation.room_name("bench")
        async with installation.call("bench", room=name) as caller:
            with suppress(CallError):
                await caller.listener.wait_for_sound(0, TIMEOUT_SECONDS)
            answer = Answer(caller.room_sid, caller.clock.unix_ms(0), caller.milestones.ms)
        await installation.delete_room(name)
        return IntakeCall(began, answer, await installation.rooms.get(answer.sid))

    return list(await asyncio.gather(*(call(number) for number in range(count))))


def _rows(calls: Sequence[IntakeCall], busy: Worker, free: Worker, kind: str) -> list[Row]:
    loaded_ms = min(call.answer.began_ms - call.began * 1000 for call in calls)
    claimed = [
        call.room.steps_ms["claimed"] - loaded_ms for call in calls if call.room is not None and call.answered_by(busy)
    ]
    later = [call for call in calls if call.began > NOTICE_SECONDS]
    queued = [
        call.room.steps_ms["claimed"] - call.room.steps_ms["queued"]
        for call in later
        if call.room and call.answered_by(free)
    ]
    first_audio = [call.answer.first_audio_ms if call.answered_by(free) else None for call in later]
    return [
        Row(
            f"intake: last call that a worker takes after its host has got busy ({kind} load)",
            "s",
            max(claimed) / 1000 if claimed else None,
            goal=at_most(NOTICE_SECONDS, "s"),
            samples={"ours": [ms / 1000 for ms in claimed]},
        ),
        Row(
            f"intake: later calls answered within {ANSWERED_SECONDS:g} s by a free worker, of {len(later)}",
            "%",
            share_within(first_audio, ANSWERED_SECONDS * 1000),
            goal=one_hundred_percent(),
            samples={"ours": first_audio},
        ),
        Row("intake: queued to claimed of these, max", "ms", max(queued, default=None)),
        Row("intake: first audio of these heard, max", "ms", max(present(first_audio), default=None)),
    ]
