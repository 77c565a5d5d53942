"""`python -m tests.bench.records_outage`: the database is killed for a minute while calls come and go.

Calls are rooms that go through all their actions in a real Redis, without audio; their attempts are lost or handed over
at random. Beside them runs a real `switchboard records`, which is killed once during the outage, and started again.
PostgreSQL is killed with SIGKILL; the file of SQLite is locked by another process. It prints a table: how long the
actions of calls took before, during and after the outage, how many calls have records missing or twice, or another
usage than they had, and when the last one of the outage was written.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from ops.stack import environment
from ops.stack.binaries import Binaries
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.records import CallFilter, Database, RecordStore
from tasks.redis_client import connect
from tasks.rooms import AttemptMetrics, LossCause, Room, RoomStore, keys
from tasks.settings import DatabaseSettings, RedisSettings
from tests.support import databases
from tests.support.postgres import Postgres

CALL_SECONDS = 5.0
CATCH_UP_SECONDS = 300.0
ROW = "{:12} {:>7} {:>8} {:>8} {:>7} {:>14} {:>15} {:>12} {:>12}"


@dataclass
class Result:
    """One run. `slowest_ms`: the slowest action of a call, by whether it began within the outage."""

    kind: str
    calls: int = 0
    failed: int = 0
    missing: int = 0
    twice: int = 0
    usage_differs: int = 0
    slowest_ms: dict[bool, float] = field(default_factory=lambda: {False: 0.0, True: 0.0})
    caught_up_seconds: float = float("nan")


class Calls:
    """The calls of one run, each on its way through Redis."""

    def __init__(self, rooms: RoomStore, result: Result) -> None:
        self.rooms = rooms
        self.result = result
        self.tokens: dict[str, list[int]] = {}
        """What each attempt of a call has used, by the call's sid."""
        self.choose = random.Random(1)
        self.outage = False
        self.running: list[asyncio.Task[None]] = []

    async def make(self) -> None:
        """Make one call. All of its attempts but the last one are lost or handed over, at random."""
        sid = f"RM_{secrets.token_hex(8)}"
        self.tokens[sid] = []
        self.result.calls += 1
        try:
            opening = self.rooms.open(
                sid=sid,
                name=f"call-acme-{sid}",
                tenant="acme",
                tier="premium",
                queue="premium",
                message=b"{}",
                started_at_ms=None,
                received_at_ms=round(time.time() * 1000),
                number="+4930123456",
            )
            await self._timed(opening)
            attempts = self.choose.choice((1, 2, 2, 3))
            for attempt in range(1, attempts + 1):
                claimed = await self._timed(self.rooms.claim(sid, attempt, claimant="x", worker="w@host", pid=1))
                assert isinstance(claimed, Room)
                await self._talk(sid, attempt)
                if attempt < attempts:
                    cause = self.choose.choice((LossCause.HANDED_OVER, LossCause.FAILED))
                    await self._timed(self._requeue(sid, attempt, cause))
            assert await self._timed(self.rooms.end(sid, attempts, outcome="room empty", claimant="x"))
        except Exception as error:  # noqa: BLE001 - it is the result
            print(f"a call failed: {error!r}", file=sys.stderr)
            self.result.failed += 1

    async def _talk(self, sid: str, attempt: int) -> None:
        """Renew the lease, each time with more usage: what the last renewal said counts, whatever comes then."""
        used = 0
        for _ in range(2):
            await asyncio.sleep(CALL_SECONDS / 4)
            used += self.choose.randrange(1, 1000)
            usage = [{"type": "llm_usage", "provider": "openai", "model": "m", "output_tokens": used}]
            metrics = AttemptMetrics(json.dumps(usage), json.dumps({"turns": 2}))
            await self._timed(self.rooms.renew(sid, attempt, claimant="x", metrics=metrics))
        self.tokens[sid].append(used)

    async def _requeue(self, sid: str, attempt: int, cause: LossCause) -> None:
        await self.rooms.requeue(
            sid, attempt, queue="premium", message=b"{}", reason="x", max_attempts=5, cause=cause, claimant="x"
        )

    async def _timed(self, action: object) -> object:
        began, outage = time.monotonic(), self.outage
        done = await action  # type: ignore[misc]
        ms = (time.monotonic() - began) * 1000
        self.result.slowest_ms[outage] = max(self.result.slowest_ms[outage], ms)
        return done


@asynccontextmanager
async def away(settings: DatabaseSettings, server: Postgres) -> AsyncIterator[None]:
    """Take the database away."""
    if not settings.is_file:
        await asyncio.to_thread(server.kill)
        try:
            yield
        finally:
            await asyncio.to_thread(server.start)
        return
    locking = sqlite3.connect(
        make_url(settings.url.get_secret_value()).database or "", isolation_level=None, timeout=30
    )
    try:
        locking.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        locking.close()


async def run(
    kind: str, settings: DatabaseSettings, server: Postgres, folder: Path, *, seconds: float, per_minute: float
) -> Result:
    """Make calls before, during and after an outage of so many seconds, and compare what is in the database."""
    result = Result(kind)
    binaries = Binaries.find()
    redis_server = RedisServer(folder, environment.inherited(()), binary=str(binaries.redis), port=PortPicker().pick())
    await redis_server.start()
    writer = databases.writer(folder, redis_url=redis_server.url, database=settings)
    writer.ready_seconds = 300.0
    await writer.start()
    try:
        async with connect(RedisSettings.read({"REDIS_URL": redis_server.url})) as redis:
            calls = Calls(RoomStore(redis), result)
            making = asyncio.create_task(_keep_calling(calls, per_minute))
            await asyncio.sleep(seconds / 3)
            async with away(settings, server):
                calls.outage = True
                await asyncio.sleep(seconds / 2)
                writer.kill()
                await writer.start()
                await asyncio.sleep(seconds / 2)
                calls.outage = False
            back_at = time.monotonic()
            await asyncio.sleep(seconds / 3)
            making.cancel()
            await asyncio.wait({making})
            await asyncio.gather(*calls.running)
            # What is compared is not what is measured.
            settings = settings.model_copy(update={"deadline_seconds": 300.0})
            result.caught_up_seconds = await _caught_up(redis) - back_at
            await _compare(settings, calls.tokens, result)
    finally:
        await writer.stop()
        await redis_server.stop()
    return result


async def _keep_calling(calls: Calls, per_minute: float) -> None:
    while True:
        calls.running.append(asyncio.create_task(calls.make()))
        await asyncio.sleep(60 / per_minute)


async def _caught_up(redis: Any) -> float:
    """Wait until each entry is read and acknowledged: one that the killed writer had may be an attempt's alone."""
    until = time.monotonic() + CATCH_UP_SECONDS
    while time.monotonic() < until:
        (group,) = await redis.xinfo_groups(keys.CALLS)
        ((last, _),) = await redis.xrevrange(keys.CALLS, count=1)
        if group["pending"] == 0 and group["last-delivered-id"] == last:
            break
        await asyncio.sleep(0.1)
    return time.monotonic()


async def _compare(settings: DatabaseSettings, tokens: Mapping[str, list[int]], result: Result) -> None:
    async with Database.open(settings) as database:
        store = RecordStore(database)
        page = await store.list_calls(CallFilter(), limit=1000)
        counted = Counter(call.sid for call in page.calls)
        result.twice = sum(number > 1 for number in counted.values())
        for sid, used in tokens.items():
            found = await store.get_call(sid)
            if found is None or found.call.state is None or len(found.attempts) != len(used):
                result.missing += 1
                continue
            result.usage_differs += sum(line.amount for line in found.usage) != sum(used)


def table(results: list[Result]) -> str:
    """Return the table of all runs."""
    head = (
        "database",
        "calls",
        "failed",
        "missing",
        "twice",
        "usage differs",
        "slowest before",
        "during, ms",
        "caught up",
    )
    rows = [ROW.format(*head)]
    for each in results:
        cells = (each.kind, each.calls, each.failed, each.missing, each.twice, each.usage_differs)
        slowest = (f"{each.slowest_ms[False]:.0f}", f"{each.slowest_ms[True]:.0f}", f"{each.caught_up_seconds:.1f} s")
        rows.append(ROW.format(*map(str, cells), *slowest))
    return "\n".join(rows)


async def both(seconds: float, per_minute: float, server: Postgres, folder: Path) -> list[Result]:
    """Run both databases at the same time."""
    made = {"PostgreSQL": await databases.postgresql(server), "SQLite": await databases.sqlite(folder)}
    for kind in made:
        (folder / kind).mkdir()
    runs = [
        run(kind, settings, server, folder / kind, seconds=seconds, per_minute=per_minute)
        for kind, settings in made.items()
    ]
    return list(await asyncio.gather(*runs))


def main() -> int:
    """Return 0 if no call has noticed and no record is missing or there twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the database is away")
    parser.add_argument("--per-minute", type=float, default=10.0, help="calls")
    options = parser.parse_args()
    server = Postgres()
    try:
        server.start()
        with tempfile.TemporaryDirectory() as folder:
            results = asyncio.run(both(options.seconds, options.per_minute, server, Path(folder)))
    finally:
        server.close()
    print(table(results))
    return int(any(each.failed or each.missing or each.twice or each.usage_differs for each in results))


if __name__ == "__main__":
    sys.exit(main())
