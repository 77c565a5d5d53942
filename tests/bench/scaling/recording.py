"""A recording of one call's commands to Redis, made while the code of production sends them, to be replayed."""

from __future__ import annotations

import base64
import codecs
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import Connection

from tests.bench.scaling.call import STEPS, CallProfile, Calls
from tests.bench.scaling.fake_worker import FakeWorker
from tests.bench.scaling.fixture import MEASURED_TIER, Installation

_LINE = re.compile(rb"\+[\d.]+ \[\d+ ([^\]]+)\] (.*)\r?\n?", re.DOTALL)
_ARGUMENT = re.compile(rb'"((?:[^"\\]|\\.)*)"')
# A replayed call has one connection and does its own login.
_NOT_RECORDED = frozenset({b"AUTH", b"CLIENT", b"HELLO", b"INFO"})


@dataclass(frozen=True, slots=True)
class Request:
    """Bytes that are sent together, and the number of their replies.

    `step`: the step of the call. `at`: its time, in seconds since the call began.
    """

    step: str
    payload: bytes
    replies: int
    at: float


@dataclass(frozen=True, slots=True)
class Recording:
    """The requests of one call, and the part that differs from call to call: its sid."""

    requests: tuple[Request, ...]
    sid: bytes

    def substitutions(self, sid: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """Return the replacements, (old, new), for a call with another sid of the same length."""
        return ((self.sid, sid), (_encoded_sid(self.sid), _encoded_sid(sid)))


async def record(installation: Installation, profile: CallProfile) -> Recording:
    """Run one call and record its commands. Another call runs first, so that all scripts are loaded."""
    calls = Calls(installation, 2, profile)
    warm, sid = calls.sids
    await installation.declare({f"tenant-{each}": MEASURED_TIER for each in calls.sids})
    requests: list[Request] = []
    with FakeWorker.of(installation.settings) as worker:
        steps = _steps(calls, worker, profile)
        for _, _, step in steps:
            await step(warm)
        async with _monitor(installation.redis) as read_commands:
            for name, at, step in steps:
                await step(sid)
                requests += [Request(name, payload, replies, at) for payload, replies in await read_commands(name)]
    return Recording(tuple(requests), sid.encode())


def _steps(
    calls: Calls, worker: FakeWorker, profile: CallProfile
) -> list[tuple[str, float, Callable[[str], Awaitable[None]]]]:
    """Return each step with its name and its time, in the order of a call."""
    steps = [
        ("open", 0.0, calls.open),
        ("open again", 0.1, calls.open),
        ("take", 0.1, worker.take_message),
        ("events", 0.1, worker.send_events),
        ("claim", 0.1, calls.claim),
        *(("step", 0.2 + 0.2 * number, calls.record_step) for number in range(len(STEPS))),
        *(
            ("conversation", profile.length * (number + 0.5) / profile.saves, calls.save_conversation)
            for number in range(profile.saves)
        ),
        *(("renew", profile.length * number / profile.renewals, calls.renew) for number in range(1, profile.renewals)),
        ("renew", profile.length, calls.renew),
        ("close", profile.length, calls.close),
        ("end", profile.length, calls.end),
    ]
    # The sort is stable: steps of the same time keep their order.
    return sorted(steps, key=lambda step: step[1])


@asynccontextmanager
async def _monitor(redis: Redis) -> AsyncIterator[Callable[[str], Awaitable[list[tuple[bytes, int]]]]]:
    """Yield a function that returns the commands since its last call, as (bytes, number of replies)."""
    options = redis.connection_pool.connection_kwargs | {"decode_responses": False}
    monitor: Any = Connection(**{name: options[name] for name in ("host", "port", "password", "db")})
    await monitor.connect()
    await monitor.send_command("MONITOR")
    await monitor.read_response()
    reader: Any = monitor._reader

    async def read_commands(name: str) -> list[tuple[bytes, int]]:
        await redis.echo(f"end of {name}")
        commands: list[tuple[bytes, int]] = []
        transactions: dict[bytes, list[list[bytes]]] = {}
        while True:
            match = _LINE.fullmatch(await reader.readline())
            if match is None:
                continue
            client, arguments = match[1], [codecs.escape_decode(part)[0] for part in _ARGUMENT.findall(match[2])]
            if arguments[0].upper() == b"ECHO":
                return commands
            if client == b"lua" or arguments[0].upper() in _NOT_RECORDED:
                continue
            transaction = transactions.setdefault(client, [])
            transaction.append(arguments)
            if transaction[0][0].upper() == b"MULTI" and arguments[0].upper() != b"EXEC":
                continue
            commands.append((b"".join(map(_encode, transaction)), len(transaction)))
            del transactions[client]

    try:
        yield read_commands
    finally:
        await monitor.disconnect()


def _encode(arguments: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in arguments)


def _encoded_sid(sid: bytes) -> bytes:
    """Return the sid as it is in the message of its call, whose body kombu encodes with base64."""
    body = json.dumps([[], {"sid": sid.decode(), "attempt": 1}, {"callbacks": None}]).encode()
    # All else in the body is the same in each call. Base64 encodes three bytes at a time.
    start = body.index(sid) // 3 * 3
    end = -(-(body.index(sid) + len(sid)) // 3) * 3
    return base64.b64encode(body[start:end])
