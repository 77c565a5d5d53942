"""Load test of a receiver: a steady load of signed room_started webhooks, and the times of the answers.

    python -m tests.bench.webhook_load --url http://127.0.0.1:8080/livekit/webhook --rate 200 --seconds 20 --tenant acme

Requests are sent on schedule, whether or not earlier ones have been answered. Each latency counts from the scheduled
time, so that a stall of the receiver counts for every request that waits behind it. Every room is new and stays queued:
use it only with a receiver whose Redis has no workers and may be emptied.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from tests.support.signed_webhook import sign

OK = "200"


@dataclass(frozen=True)
class Load:
    """A load: `rate` requests a second for `seconds`, to be answered with 200 within `p99_ms`."""

    url: str
    rate: float
    seconds: float
    p99_ms: float
    tenant: str
    key: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Report:
    """The answers. `latencies_ms` is sorted. `statuses` counts HTTP statuses, and errors by their type."""

    latencies_ms: Sequence[float]
    statuses: Counter[str]

    def percentile(self, percent: float) -> float:
        """Return the smallest latency that `percent` of all requests did not exceed, in ms."""
        rank = math.ceil(len(self.latencies_ms) * percent / 100)
        return self.latencies_ms[max(rank, 1) - 1]

    def passes(self, p99_ms: float) -> bool:
        """Return whether every answer was a 200 and the 99th percentile is within `p99_ms`."""
        return set(self.statuses) == {OK} and self.percentile(99) <= p99_ms

    def __str__(self) -> str:
        latency = "  ".join(f"{name} {self.percentile(percent):.1f}" for name, percent in _PERCENTILES.items())
        statuses = "  ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return f"sent      {self.statuses.total()}\nanswers   {statuses}\nms        {latency}"


_PERCENTILES = {"p50": 50, "p90": 90, "p99": 99, "max": 100}


async def run(load: Load) -> Report:
    """Send the whole load and wait for the last answer."""
    loop = asyncio.get_running_loop()
    # Below the 5 s after which uvicorn closes an idle connection: a request must not meet it half closed.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as requests:
        start = loop.time()
        sent = []
        for number in range(math.ceil(load.rate * load.seconds)):
            due = start + number / load.rate
            await asyncio.sleep(due - loop.time())
            sent.append(requests.create_task(_send(session, load, due)))
    answers = [task.result() for task in sent]
    return Report(sorted(latency for latency, _ in answers), Counter(status for _, status in answers))


async def _send(session: aiohttp.ClientSession, load: Load, due: float) -> tuple[float, str]:
    body = _room_started(load.tenant)
    headers = {"Authorization": sign(body, load.key, load.secret), "Content-Type": "application/webhook+json"}
    try:
        async with session.post(load.url, data=body, headers=headers) as response:
            await response.read()
            status = str(response.status)
    except (aiohttp.ClientError, TimeoutError) as error:
        status = type(error).__name__
    return (asyncio.get_running_loop().time() - due) * 1000, status


def _room_started(tenant: str) -> bytes:
    sid = uuid.uuid4().hex
    now_ms = time.time_ns() // 1_000_000
    room = {
        "sid": f"RM_{sid}",
        "name": f"load-{sid}",
        "emptyTimeout": 300,
        "creationTime": str(now_ms // 1000),
        "creationTimeMs": str(now_ms),
        "metadata": json.dumps({"tenant_id": tenant}),
    }
    event = {"event": "room_started", "room": room, "id": f"EV_{sid}", "createdAt": str(now_ms // 1000)}
    return json.dumps(event).encode()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load of the command line. Return 1 if an answer was not 200 or the p99 is too long."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.webhook_load", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--url", default="http://127.0.0.1:8080/livekit/webhook")
    parser.add_argument("--rate", type=_positive, default=200, help="requests a second (%(default)s)")
    parser.add_argument("--seconds", type=_positive, default=20, help="length of the load (%(default)s)")
    parser.add_argument("--p99-ms", type=_positive, default=50, help="the longest p99 that passes (%(default)s)")
    parser.add_argument("--tenant", default="load", help="the tenant of the rooms (%(default)s)")
    parser.add_argument("--api-key", default=os.environ.get("LIVEKIT_API_KEY"), help="else LIVEKIT_API_KEY")
    parser.add_argument("--api-secret", default=os.environ.get("LIVEKIT_API_SECRET"), help="else LIVEKIT_API_SECRET")
    given = parser.parse_args(arguments)
    if not given.api_key or not given.api_secret:
        parser.error("give --api-key and --api-secret, or set LIVEKIT_API_KEY and LIVEKIT_API_SECRET")
    load = Load(given.url, given.rate, given.seconds, given.p99_ms, given.tenant, given.api_key, given.api_secret)
    report = asyncio.run(run(load))
    print(report)
    return 0 if report.passes(load.p99_ms) else 1


def _positive(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
