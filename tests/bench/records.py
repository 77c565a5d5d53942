"""`python -m tests.bench.records`: queries on many records, on SQLite and on PostgreSQL, each with its plan.

It writes the page docs/benchmarks/records.md. The records are made up: 50 tenants of different sizes, two months, a
tenth of the calls with a second attempt, three models for each attempt.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import event, text

from tasks.records import CallFilter, Database, RecordStore
from tasks.records.entries import read_entry
from tasks.records.insertion import insert_records
from tasks.rooms import AttemptEnding, CallState, EndedBy
from tasks.settings import DatabaseSettings
from tests.support import databases
from tests.support.databases import OPENED_MS, Fields, attempt_entry, call_entry
from tests.support.postgres import Postgres

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "records.md"
HTTP = "\n## Over HTTP\n"
"""The section of `tests.bench.records_http`."""
FAULTS = "\n## Calls with faults\n"
TENANTS = 50
PERIOD_MS = 62 * 24 * 3600 * 1000
MONTH_MS = 31 * 24 * 3600 * 1000
NUMBERS = 20_000
BATCH = 1000
RUNS = 15
STATES = ("ended",) * 192 + ("cancelled",) * 4 + ("dead",) * 3 + ("refused",)

Query = Callable[[RecordStore], Awaitable[Any]]


@dataclass
class Measured:
    """A query on one database: milliseconds of each run, and its statements with their plans."""

    name: str
    ms: list[float] = field(default_factory=list)
    plans: list[str] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.ms)


def entries(calls: int, seed: int = 1) -> Iterator[Fields]:
    """The records of so many calls, as the stream has them."""
    choose = random.Random(seed)
    for index in range(calls):
        # The first tenant has about a quarter of all calls.
        tenant = f"tenant-{int(TENANTS * choose.random() ** 3):02}"
        sid = f"RM_{choose.getrandbits(60):015x}"
        state = choose.choice(STATES)
        of_call: dict[str, Any] = {
            "name": f"call-{tenant}-{choose.getrandbits(64):016x}",
            "tenant": tenant,
            "tier": choose.choice(("premium", "standard", "free")),
            "number": f"+4930{choose.randrange(NUMBERS):07}",
            "opened_ms": OPENED_MS + index * PERIOD_MS // calls,
        }
        attempts = 0 if state in {"cancelled", "refused"} else 1 + (choose.random() < 0.1)
        for attempt in range(1, attempts + 1):
            ending = "lost" if attempt < attempts else "ended"
            yield attempt_entry(sid, attempt=attempt, ending=ending, seconds=choose.randrange(20, 600), **of_call)
        ended_by = "limit" if state in {"dead", "refused"} else choose.choice(("callers", "callers", "agent"))
        outcome = "goodbye" if choose.random() < 0.001 else "room empty"
        yield call_entry(sid, attempts=attempts, state=state, ended_by=ended_by, outcome=outcome, **of_call)


async def fill(database: Database, calls: int) -> float:
    """Write the records in the writer's way, in larger batches. Returns the seconds that it took."""
    began = time.monotonic()
    batch = []
    for number, fields in enumerate(entries(calls)):
        batch.append(read_entry(f"{number}-0", fields))
        if len(batch) == BATCH:
            async with database.transaction() as connection:
                await insert_records(connection, batch)
            batch = []
    async with database.transaction() as connection:
        await insert_records(connection, batch)
    # As the autovacuum of a server does it.
    async with database.engine.connect() as connection:
        analyse = "ANALYZE" if database.is_sqlite else "VACUUM ANALYZE"
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text(analyse))
    return time.monotonic() - began


async def queries(store: RecordStore) -> dict[str, Query]:
    """The queries of the console, of the API and of the commands, by what is asked."""
    page = await store.list_calls(CallFilter(), limit=1000)
    middle = page.calls[-1]
    some = page.calls[500]
    half = OPENED_MS + PERIOD_MS // 2

    def find(cursor: str | None = None, **wanted: Any) -> Query:
        return lambda asked: asked.list_calls(CallFilter(**wanted), cursor=cursor)

    def used(tenant: str | None = None) -> Query:
        return lambda asked: asked.usage(since_ms=OPENED_MS, until_ms=OPENED_MS + MONTH_MS, tenant=tenant)

    return {
        "the newest 50 calls": find(),
        "50 calls from the middle on": find(cursor=f"{half}.RM"),
        "of a large tenant": find(tenant="tenant-00"),
        "of a small tenant": find(tenant="tenant-49"),
        "by number": find(number=some.number),
        "by number, of a tenant": find(number=some.number, tenant=some.tenant),
        "by the beginning of a number": find(number="+4930000*"),
        "by room": find(name=some.name),
        "by the beginning of a room's name": find(name="call-tenant-00-f*", tenant="tenant-00"),
        "by sid": find(sid=middle.sid),
        "dead": find(state=CallState.DEAD),
        "dead, of a small tenant": find(state=CallState.DEAD, tenant="tenant-49"),
        "by a rare outcome": find(outcome="goodbye"),
        "by an outcome that none has": find(outcome="nothing"),
        "ended by a limit": find(ended_by=EndedBy.LIMIT),
        "with a lost attempt": find(ending=AttemptEnding.LOST),
        "with an ending that none has": find(ending=AttemptEnding.DEAD),
        "of one hour": find(since_ms=half, until_ms=half + 3600_000),
        "one call with its attempts": lambda asked: asked.get_call(some.sid),
        "usage of a month, a large tenant": used("tenant-00"),
        "usage of a month, all tenants": used(),
    }


async def measure(database: Database) -> list[Measured]:
    store = RecordStore(database)
    found = []
    for name, query in (await queries(store)).items():
        measured = Measured(name)
        with recorded(database) as statements:
            await query(store)
        for _ in range(RUNS):
            began = time.perf_counter()
            await query(store)
            measured.ms.append((time.perf_counter() - began) * 1000)
        measured.plans = [await plan(database, *statement) for statement in statements]
        found.append(measured)
        print(f"{name:40} {measured.median:8.1f} ms, at most {max(measured.ms):8.1f} ms", flush=True)
    return found


class recorded:  # noqa: N801 - a context manager
    """The statements that a database is sent within it, with their parameters."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine.sync_engine
        self.statements: list[tuple[str, Any]] = []

    def __enter__(self) -> list[tuple[str, Any]]:
        event.listen(self._engine, "before_cursor_execute", self._add)
        return self.statements

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._add)

    def _add(self, _: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        if statement.startswith("SELECT") and "FROM " in statement:
            self.statements.append((statement, parameters))


async def plan(database: Database, statement: str, parameters: Any) -> str:
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN (ANALYZE, COSTS OFF, BUFFERS OFF) "
    async with database.engine.connect() as connection:
        rows = (await connection.exec_driver_sql(explain + statement, parameters)).all()
    return "\n".join(str(row[-1]) for row in rows)


def machine() -> str:
    """Return the machine's cores and memory."""
    return f"{psutil.cpu_count()} shared cores with {round(psutil.virtual_memory().total / (1 << 30))} GB"


def markdown(calls: int, results: dict[str, tuple[float, list[Measured]]], note: str = "") -> str:
    names = [measured.name for measured in next(iter(results.values()))[1]]
    lines = [
        "# Queries on the records",
        "",
        (
            f"{calls:,} calls of {TENANTS} tenants in two months, with three models for each attempt, on {machine()}. "
            f"Milliseconds in the process that asks, the median and the longest of {RUNS} runs; a page has 50 calls. "
            f"`python -m tests.bench.records` writes this page.{note and f' {note}'}"
        ),
        "",
        f"| query | {' | '.join(f'{kind}, median | longest' for kind in results)} |",
        f"|---|{'---|' * 2 * len(results)}",
    ]
    for index, name in enumerate(names):
        cells = [f"{measured[index].median:.1f} | {max(measured[index].ms):.1f}" for _, measured in results.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    written = ", ".join(f"{kind} {seconds:.0f} s" for kind, (seconds, _) in results.items())
    lines += ["", f"To write all of them took: {written}.", ""]
    for kind, (_, measured) in results.items():
        lines += [f"## Plans of {kind}", ""]
        for each in measured:
            lines += [f"{each.name[0].upper()}{each.name[1:]}:", ""]
            lines += [f"    {line}" for part in each.plans for line in part.splitlines()] + [""]
    return "\n".join(lines)


async def run(calls: int, folder: Path, server: Postgres) -> dict[str, tuple[float, list[Measured]]]:
    results = {}
    made: dict[str, DatabaseSettings] = {
        "PostgreSQL": await databases.postgresql(server),
        "SQLite": await databases.sqlite(folder),
    }
    for kind, settings in made.items():
        print(f"{kind}:", flush=True)
        async with Database.open(settings.model_copy(update={"deadline_seconds": 600.0})) as database:
            seconds = await fill(database, calls)
            print(f"written in {seconds:.0f} s", flush=True)
            results[kind] = (seconds, await measure(database))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--json", type=Path, help="file for the milliseconds")
    parser.add_argument("--note", default="", help="a sentence for the page: what else the machine was doing")
    parser.add_argument("--no-page", action="store_true", help="leave docs/benchmarks/records.md as it is")
    options = parser.parse_args()
    server = Postgres()
    try:
        server.start()
        with tempfile.TemporaryDirectory() as folder:
            results = asyncio.run(run(options.calls, Path(folder), server))
    finally:
        server.close()
    if options.json:
        shown = {kind: {each.name: each.ms for each in measured} for kind, (_, measured) in results.items()}
        options.json.write_text(json.dumps(shown, indent=1), encoding="utf-8")
    if not options.no_page:
        # What follows is of the other benchmarks of records: one writes its section, of two it is written by hand.
        _, heading, others = PAGE.read_text(encoding="utf-8").partition(HTTP)
        PAGE.write_text(markdown(options.calls, results, options.note) + heading + others, encoding="utf-8")


if __name__ == "__main__":
    main()
