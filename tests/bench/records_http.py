"""`python -m tests.bench.records_http`: searches and usage over HTTP, by the API and on the console's pages.

A receiver and a console under uvicorn, on a PostgreSQL server with the records of `tests.bench.records` and a Redis
with 200 open calls. Each request is asked one after the other, and then by four clients at once. Beside the time it has
the CPU of the server and of the database, which depends less on what else the machine does. The table goes into
docs/benchmarks/records.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import psutil

from ops.stack import Binaries, environment
from ops.stack.console import Console
from ops.stack.ports import PortPicker
from ops.stack.receiver import Receiver
from ops.stack.redis import RedisServer
from tasks.records import CallFilter, Database, RecordStore
from tasks.rooms import RoomStore
from tasks.rooms.records import Limits
from tasks.settings import DatabaseSettings
from tasks.tenants.api_key_store import ApiKeyAdmin
from tasks.tenants.api_keys import EVERY_TENANT, Scope
from tests.bench.records import FAULTS, HTTP, PAGE, PERIOD_MS, TENANTS, fill, machine
from tests.bench.stats import percentile
from tests.support import databases
from tests.support.databases import OPENED_MS
from tests.support.postgres import Postgres
from tests.support.tenants import SECRET, declare

OPEN_CALLS = 200
RUNS = 40
CLIENTS = 4
RUNS_OF_A_CLIENT = 10
CALLS_MS, USAGE_MS = 200.0, 1000.0
"""The goals."""
MONTH = "2026-10"
HALF_MS = OPENED_MS + PERIOD_MS // 2
ALONE, AT_ONCE = "one after the other", f"{CLIENTS} clients at once"
REQUEST_SECONDS = 60.0
OK, UNAVAILABLE = 200, 503


@dataclass
class Asked:
    """A request, and the milliseconds until its response was there. `proof`: what the response has to contain.

    `cpu_ms`: of the server, and of the database, for one request of those that are asked one after the other.
    `refused`: requests that were answered 503, because Redis or the database did not get its turn within a deadline.
    """

    name: str
    path: str
    proof: str
    goal_ms: float = CALLS_MS
    ms: dict[str, list[float]] = field(default_factory=dict)
    cpu_ms: tuple[float, float] = (math.nan, math.nan)
    refused: int = 0

    def p(self, way: str, percent: float) -> float:
        """Return a percentile."""
        return percentile(self.ms[way], percent) or math.nan


@dataclass
class Installed:
    """The processes that are asked."""

    receiver: Receiver
    console: Console
    key: str


def _query(path: str, **parameters: Any) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path


async def api_requests(store: RecordStore) -> list[Asked]:
    """The requests of a backend."""
    some = (await store.list_calls(CallFilter(), limit=1000)).calls[500]
    found = '"sid":"RM_'
    hour = {"since": "2026-10-22T12:00:00Z", "until": "2026-10-22T13:00:00Z"}
    return [
        Asked("the newest 50 calls", "/calls", found),
        Asked("200 calls", _query("/calls", limit=200), found),
        Asked("50 calls from the middle on", _query("/calls", cursor=f"{HALF_MS}.RM"), found),
        Asked("of a large tenant", _query("/calls", tenant_id="tenant-00"), found),
        Asked("of a small tenant", _query("/calls", tenant_id="tenant-49"), found),
        Asked("by number", _query("/calls", number=some.number), found),
        Asked("by the beginning of a number", _query("/calls", number="+4930000*"), found),
        Asked("by room", _query("/calls", room=some.name), found),
        Asked("by the beginning of a room's name", _query("/calls", room="call-tenant-00-f*"), found),
        Asked("dead, of a small tenant", _query("/calls", state="dead", tenant_id="tenant-49"), found),
        Asked("by a rare outcome", _query("/calls", outcome="goodbye"), found),
        Asked("ended by a limit", _query("/calls", ended_by="limit"), found),
        Asked("of one hour", _query("/calls", **hour), found),
        Asked("one call with its attempts", f"/calls/{some.sid}", some.sid),
        Asked("usage of a month, a large tenant", _usage("tenant-00"), "input_tokens", USAGE_MS),
        Asked("usage of a month, a small tenant", _usage("tenant-49"), "input_tokens", USAGE_MS),
        Asked("usage of a month, all tenants", _usage(), "input_tokens", USAGE_MS),
    ]


def _usage(tenant: str | None = None) -> str:
    return _query("/usage", month=MONTH, **({"tenant_id": tenant} if tenant else {}))


async def page_requests(store: RecordStore) -> list[Asked]:
    """The pages of an operator."""
    some = (await store.list_calls(CallFilter(), limit=1000)).calls[500]
    row = 'href="/calls/RM_'
    return [
        Asked("the newest 50 calls", "/calls", row),
        Asked("50 calls from the middle on", _query("/calls", cursor=f"{HALF_MS}.RM"), row),
        Asked("of a large tenant", _query("/calls", tenant="tenant-00"), row),
        Asked("of a small tenant", _query("/calls", tenant="tenant-49"), row),
        Asked("by number", _query("/calls", number=some.number), row),
        Asked("by the beginning of a number", _query("/calls", number="+4930000*"), row),
        Asked("by room", _query("/calls", room=some.name), row),
        Asked("by the beginning of a room's name", _query("/calls", room="call-tenant-00-f*"), row),
        Asked("by sid", _query("/calls", room=some.sid), row),
        Asked("dead, of a small tenant", _query("/calls", state="dead", tenant="tenant-49"), row),
        Asked("with a lost attempt", _query("/calls", state="lost"), row),
        Asked("of one day", _query("/calls", since="2026-10-22", until="2026-10-22"), row),
        Asked("a call's page", f"/calls/{some.sid}", some.name),
        Asked("*Tenants*, with usage of the month", "/tenants", "tenant-49", USAGE_MS),
        Asked("a large tenant's page", "/tenants/tenant-00", "tenant-00", USAGE_MS),
    ]


def cpu_seconds(*processes: psutil.Process) -> float:
    """Return the CPU that processes have used, with their children's, also of those that are over."""
    used = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
            used += cpu_seconds(*process.children())
    return used


def postmaster(settings: DatabaseSettings) -> psutil.Process:
    """Return the main process of a PostgreSQL server on this machine."""
    port = urlsplit(settings.url.get_secret_value()).port
    listening = [each for each in psutil.net_connections("tcp4") if each.status == psutil.CONN_LISTEN]
    (pid,) = {each.pid for each in listening if getattr(each.laddr, "port", None) == port}
    return psutil.Process(pid)


async def measure(
    session: aiohttp.ClientSession, requests: list[Asked], server: psutil.Process, database: psutil.Process
) -> None:
    """Send every request, first once to warm up, then one after the other, then from several clients."""

    async def ask(asked: Asked, times: int) -> list[float]:
        found = [await _once(session, asked) for _ in range(times)]
        return [ms for ms in found if ms is not None]

    for asked in requests:
        await ask(asked, 1)
        before = cpu_seconds(server), cpu_seconds(database)
        asked.ms[ALONE] = await ask(asked, RUNS)
        after = cpu_seconds(server), cpu_seconds(database)
        asked.cpu_ms = ((after[0] - before[0]) * 1000 / RUNS, (after[1] - before[1]) * 1000 / RUNS)
        together = await asyncio.gather(*(ask(asked, RUNS_OF_A_CLIENT) for _ in range(CLIENTS)))
        asked.ms[AT_ONCE] = [each for found in together for each in found]
        print(
            f"{asked.name:40} {asked.p(ALONE, 50):7.1f} {asked.p(ALONE, 95):7.1f} ms;"
            f" {CLIENTS} at once {asked.p(AT_ONCE, 50):7.1f} {asked.p(AT_ONCE, 95):7.1f} ms;"
            f" CPU {asked.cpu_ms[0]:6.1f} + {asked.cpu_ms[1]:6.1f} ms; {asked.refused} refused",
            flush=True,
        )


async def _once(session: aiohttp.ClientSession, asked: Asked) -> float | None:
    """Return the milliseconds of a request, or None if it was refused."""
    began = time.perf_counter()
    async with session.get(asked.path) as response:
        content = await response.text()
    ms = (time.perf_counter() - began) * 1000
    if response.status == UNAVAILABLE:
        asked.refused += 1
        return None
    if response.status != OK or asked.proof not in content:
        msg = f"{asked.path} answered {response.status}: {content[:500]}"
        raise SystemExit(msg)
    return ms


@contextlib.asynccontextmanager
async def installed(binaries: Binaries, folder: Path, database: DatabaseSettings) -> AsyncIterator[Installed]:
    """A Redis with tenants and open calls, a receiver and a console."""
    ports, base = PortPicker(), environment.inherited(())
    redis = RedisServer(folder, base, binary=str(binaries.redis), port=ports.pick())
    settings = base | {
        "LIVEKIT_URL": "ws://127.0.0.1:1",
        "LIVEKIT_API_KEY": "devkey",
        "LIVEKIT_API_SECRET": SECRET,
        "REDIS_URL": redis.url,
        "SWITCHBOARD_DATABASE_URL": database.url.get_secret_value(),
        "SWITCHBOARD_RECORDINGS_URL": f"file://{folder / 'recordings'}",
        # Each key has a rate, which is not what is measured.
        "SWITCHBOARD_CALLS_PER_SECOND": "100000",
        "SWITCHBOARD_CALLS_BURST": "100000",
    }
    receiver = Receiver("receiver", folder, settings, port=ports.pick())
    console = Console(folder, settings, port=ports.pick())
    await redis.start()
    try:
        async with redis.client() as client:
            tenants = "\n".join(f'[tenants.tenant-{number:02}]\ntier = "premium"' for number in range(TENANTS))
            await declare(client, tenants)
            await _open_calls(RoomStore(client, lease_ms=3_600_000))
            key, _ = await ApiKeyAdmin(client).create(tenants=[EVERY_TENANT], scopes=Scope, name="benchmark")
        await asyncio.gather(receiver.start(), console.start())
        yield Installed(receiver, console, key)
    finally:
        await console.stop()
        await receiver.stop()
        await redis.stop()


async def _open_calls(rooms: RoomStore) -> None:
    now_ms = int(time.time() * 1000)
    for number in range(OPEN_CALLS):
        sid, tenant = f"RM_open_{number:04}", f"tenant-{number % TENANTS:02}"
        await rooms.open(
            sid=sid,
            name=f"call-{tenant}-{number:04}",
            tenant=tenant,
            tier="premium",
            queue="premium",
            message=b"{}",
            started_at_ms=now_ms,
            received_at_ms=now_ms,
            limits=Limits(),
        )
        await rooms.claim(sid, 1, claimant=f"c{number}", worker="premium@one", pid=number + 1)


async def signed_in(session: aiohttp.ClientSession, console: Console) -> None:
    """Sign in to the console."""
    async with session.get("/sign-in") as response:
        csrf = (await response.text()).partition('name="csrf" value="')[2].partition('"')[0]
    form = {"name": console.user, "password": console.password, "csrf": csrf}
    async with session.post("/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"}) as response:
        await response.read()


def markdown(results: dict[str, list[Asked]], memory: dict[str, float], note: str = "") -> str:
    """Return the section of the page."""
    lines = [
        HTTP.strip("\n"),
        "",
        (
            f"`python -m tests.bench.records_http`: the same records on PostgreSQL, {OPEN_CALLS} open calls in Redis, "
            f"one receiver and one console, each one process of uvicorn, on {machine()}. Milliseconds at the client, "
            f"on the same machine: {RUNS} requests one after the other, and {CLIENTS * RUNS_OF_A_CLIENT} of {CLIENTS} "
            f"clients at once. The goals are {CALLS_MS:.0f} ms for calls and {USAGE_MS:.0f} ms for usage of a month, "
            "one request after the other, at the 95th percentile. CPU is that of a request: the server's and the "
            f"database's.{note and f' {note}'}"
        ),
        "",
    ]
    for title, requests in results.items():
        lines += [
            f"| {title} | p50 | p95 | CPU, server | database | {AT_ONCE}: p50 | p95 | goal |",
            "|---|--:|--:|--:|--:|--:|--:|---|",
            *(
                f"| {asked.name} | {asked.p(ALONE, 50):.1f} | {asked.p(ALONE, 95):.1f} | {asked.cpu_ms[0]:.1f} "
                f"| {asked.cpu_ms[1]:.1f} | {asked.p(AT_ONCE, 50):.1f} | {asked.p(AT_ONCE, 95):.1f} "
                f"| {'met' if asked.p(ALONE, 95) < asked.goal_ms else 'missed'} |"
                for asked in requests
            ),
            "",
        ]
    refused = sum(asked.refused for requests in results.values() for asked in requests)
    if refused:
        lines += [f"{refused} requests were answered 503, as a deadline had passed; they are not in the table.", ""]
    taken = ", ".join(f"the {name} {mb:.0f} MB" for name, mb in memory.items())
    return "\n".join([*lines, f"Memory after all of that: {taken}.", ""])


async def run(folder: Path, database: DatabaseSettings) -> tuple[dict[str, list[Asked]], dict[str, float]]:
    async with Database.open(database) as opened:
        store = RecordStore(opened)
        api, pages = await api_requests(store), await page_requests(store)
    timeout, server = aiohttp.ClientTimeout(REQUEST_SECONDS), postmaster(database)
    async with installed(Binaries.find(livekit=False), folder, database) as running:
        address = f"http://127.0.0.1:{running.receiver.port}"
        key = {"Authorization": f"Bearer {running.key}"}
        async with aiohttp.ClientSession(address, headers=key, timeout=timeout) as session:
            await measure(session, api, psutil.Process(running.receiver.pid), server)
        jar, html = aiohttp.CookieJar(unsafe=True), {"Accept": "text/html"}
        async with aiohttp.ClientSession(running.console.url, cookie_jar=jar, headers=html, timeout=timeout) as session:
            await signed_in(session, running.console)
            await measure(session, pages, psutil.Process(running.console.pid), server)
        processes = {"receiver": running.receiver, "console": running.console}
        memory = {name: psutil.Process(each.pid).memory_info().rss / (1 << 20) for name, each in processes.items()}
    return {"`GET` of a receiver": api, "page of the console": pages}, memory


async def _filled(server: Postgres, calls: int) -> DatabaseSettings:
    settings = await databases.postgresql(server)
    async with Database.open(settings.model_copy(update={"deadline_seconds": 600.0})) as database:
        print(f"written in {await fill(database, calls):.0f} s", flush=True)
    return settings


def write(section: str) -> None:
    """Replace the section of the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, faults, after = text.partition(FAULTS)
    PAGE.write_text(f"{before.partition(HTTP)[0]}\n{section}{faults}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--database", help="URL of a database that has the records already")
    parser.add_argument("--json", type=Path, help="file for the milliseconds")
    parser.add_argument("--note", default="", help="a sentence for the page: what else the machine was doing")
    parser.add_argument("--no-page", action="store_true", help="leave docs/benchmarks/records.md as it is")
    options = parser.parse_args()
    with contextlib.ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        if options.database:
            settings = DatabaseSettings.read({"SWITCHBOARD_DATABASE_URL": options.database})
        else:
            server = Postgres()
            closing.callback(server.close)
            server.start()
            settings = asyncio.run(_filled(server, options.calls))
        results, memory = asyncio.run(run(folder, settings))
    if options.json:
        shown = {title: {each.name: each.ms for each in requests} for title, requests in results.items()}
        options.json.write_text(json.dumps(shown, indent=1), encoding="utf-8")
    if not options.no_page:
        write(markdown(results, memory, options.note))


if __name__ == "__main__":
    main()
