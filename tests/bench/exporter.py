"""`python -m tests.bench.exporter`: the CPU that a scrape of the exporter costs, of its own process and of Redis.

With 10,000 open rooms (half of them running, half queued, which is the dearest case), the workers that carry them, and
the calls of 15 s that end between two scrapes. What the exporter does between two scrapes, every 5 s, is counted too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

import aiohttp
import psutil

from ops.stack import Binaries, environment
from ops.stack.exporter import Exporter
from ops.stack.ports import PortPicker
from tasks.rooms import Intake, WorkerStatus, keys
from tests.bench.scaling.fixture import BACKGROUND_TIER, Installation

INTERVAL_SECONDS = 15
CALLS_A_WORKER = 8
HEARTBEAT_MS = 3_600_000
USAGE = json.dumps(
    [
        {"type": "llm_usage", "provider": "openai", "model": "m", "input_tokens": 900, "output_tokens": 90},
        {"type": "stt_usage", "provider": "deepgram", "model": "m", "audio_duration": 60.0},
        {"type": "tts_usage", "provider": "elevenlabs", "model": "m", "characters_count": 500},
    ]
)
TURNS = json.dumps({"replies_ms": [700] * 10, "interruptions": 1, "turns": 10})


async def write_records(installation: Installation, calls: int) -> None:
    """Write the records of so many calls, as the scripts do when they are over."""
    now_ms = str(int(time.time() * 1000))
    room = {
        "tenant": "tenant-1",
        "tier": BACKGROUND_TIER,
        "attempt": "1",
        "name": "call-tenant-1",
        "worker": "celery@1",
    }
    steps = {f"at:{step}": now_ms for step in ("room_started", "opened", "queued", "claimed", "joined", "first_audio")}
    attempt = {"kind": "attempt", "ending": "ended", "cause": "", "reason": "room empty", "uncounted": "0"}
    call = {"kind": "call", "state": "ended", "outcome": "room empty", "attempts": "1", "at:first_claimed": now_ms}
    async with installation.redis.pipeline(transaction=False) as pipe:
        for number in range(calls):
            own = {"sid": f"RM_{number}", "at:ended": now_ms, **room, **steps}
            for record in (attempt | {"usage": USAGE, "turns": TURNS}, call | {"usage": USAGE}):
                pipe.xadd(keys.CALLS, own | record, maxlen=keys.CALLS_LENGTH)  # type: ignore[arg-type]
        await pipe.execute()


async def beat(installation: Installation, workers: int) -> None:
    """Write the heartbeats of so many workers."""
    async with installation.redis.pipeline(transaction=False) as pipe:
        for number in range(workers):
            node = f"celery@worker-{number}"
            status = WorkerStatus(
                node, (BACKGROUND_TIER,), slots=8, idle=2, load=0.5, reserved=0.1, state=Intake.OPEN, pid=7, busy=6
            )
            pipe.hset(keys.worker(node), mapping=status.fields())  # type: ignore[arg-type]
            pipe.pexpire(keys.worker(node), HEARTBEAT_MS)
        await pipe.execute()


async def measure(rooms: int, calls: int, scrapes: int) -> None:
    """Measure, and print one line."""
    async with Installation.start(Binaries.find()) as installation:
        await installation.fill(rooms)
        workers = rooms // CALLS_A_WORKER
        await beat(installation, workers)
        folder = installation.server.directory
        env = environment.merged(installation.environment)
        exporter = Exporter(folder, env, port=PortPicker().pick())
        await exporter.start()
        try:
            async with aiohttp.ClientSession() as session:
                await _scrape(session, exporter.url)
                process = psutil.Process(exporter.pid)
                cpu, seconds, size, redis_us = 0.0, [], 0, 0.0
                for _ in range(scrapes):
                    await write_records(installation, calls)
                    before, began = sum(process.cpu_times()[:2]), time.perf_counter()
                    async with installation.meter.measure() as used:
                        size = await _scrape(session, exporter.url)
                        seconds.append(time.perf_counter() - began)
                    cpu += sum(process.cpu_times()[:2]) - before
                    redis_us += used.cpu_us
                idle, idle_us = await _between(installation, process)
        finally:
            await exporter.stop()
    own = (cpu / scrapes + idle) / INTERVAL_SECONDS
    redis = (redis_us / scrapes + idle_us) / 1e6 / INTERVAL_SECONDS
    print(
        f"| {rooms:,} | {workers:,} | {calls} | {size / 1000:,.0f} kB | {sorted(seconds)[scrapes // 2] * 1000:.0f} ms "
        f"| {own:.2%} | {redis:.2%} |"
    )


async def _between(installation: Installation, process: psutil.Process) -> tuple[float, float]:
    """Return the CPU seconds of the exporter, and the µs of Redis, between two scrapes."""
    before = sum(process.cpu_times()[:2])
    async with installation.meter.measure() as used:
        await asyncio.sleep(INTERVAL_SECONDS)
    return sum(process.cpu_times()[:2]) - before, used.cpu_us


async def _scrape(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url) as response:
        content = await response.read()
        assert b"switchboard_redis_up 1.0" in content
        return len(content)


def main() -> None:
    """Measure installations of several sizes."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rooms", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--scrapes", type=int, default=10)
    options = parser.parse_args()
    print("| open rooms | workers | calls that end in 15 s | scrape | takes | exporter, of a core | Redis, of a core |")
    print("|---|---|---|---|---|---|---|")
    for rooms in options.rooms:
        # Calls of five minutes.
        asyncio.run(measure(rooms, rooms * INTERVAL_SECONDS // 300, options.scrapes))


if __name__ == "__main__":
    main()
