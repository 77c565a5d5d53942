"""What a call says to Redis, recorded while the code of production says it, to be said again for many calls at once."""

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

from tests.bench.scaling.call import STEPS, Calls, Talk
from tests.bench.scaling.fake_worker import Taker
from tests.bench.scaling.fixture import CALLED, Installation

_LINE = re.compile(rb"\+[\d.]+ \[\d+ ([^\]]+)\] (.*)\r?\n?", re.DOTALL)
_ARGUMENT = re.compile(rb'"((?:[^"\\]|\\.)*)"')
# A call has one connection when it is said again, and logs in by itself.
_NOT_OF_A_CALL = frozenset({b"AUTH", b"CLIENT", b"HELLO", b"INFO"})
_TAG = b"unacked_index"


@dataclass(frozen=True, slots=True)
class Request:
    """Bytes that are sent together, and how many replies they get. `step`: what of the call it is part of.

    `at`: when, in seconds of the talk.
    """

    step: str
    payload: bytes
    replies: int
    at: float


@dataclass(frozen=True, slots=True)
class Recording:
    """One call. What of it is only this call's own: its sid, in the clear and in its task, and the mark of its task."""

    requests: tuple[Request, ...]
    sid: bytes
    marks: tuple[bytes, ...]

    def own(self, sid: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """What to replace by what, for a call with a sid of the same length."""
        marks = ((mark, sid[-8:].rjust(len(mark), b"0")) for mark in self.marks)
        return ((self.sid, sid), (_task(self.sid), _task(sid)), *marks)


async def record(installation: Installation, talk: Talk) -> Recording:
    """Run one call whose tenant is that of all calls, and write down what it says. Another one goes first."""
    calls = Calls(installation, 2, talk)
    warm, sid = calls.sids
    await installation.declare({f"tenant-{each}": CALLED for each in calls.sids})
    requests: list[Request] = []
    with Taker.of(installation.settings) as taker:
        steps = _steps(calls, taker, talk)
        for _, _, step in steps:
            await step(warm)
        async with _monitored(installation.redis) as said:
            for name, at, step in steps:
                await step(sid)
                requests += [Request(name, payload, replies, at) for payload, replies in await said(name)]
    marks = {part for request in requests for part in _marks(request.payload)}
    return Recording(tuple(requests), sid.encode(), tuple(sorted(marks)))


def _steps(calls: Calls, taker: Taker, talk: Talk) -> list[tuple[str, float, Callable[[str], Awaitable[None]]]]:
    """Each step with its name and its time, in order."""
    steps = [
        ("open", 0.0, calls.open),
        ("open again", 0.1, calls.open),
        ("take", 0.1, taker.take),
        ("events", 0.1, taker.tell),
        ("claim", 0.1, calls.claim),
        *(("stamp", 0.2 + 0.2 * number, calls.stamp) for number in range(len(STEPS))),
        *(("say", talk.said_every * (number + 1), calls.say) for number in range(talk.said)),
        *(("renew", talk.length * number / talk.renewals, calls.renew) for number in range(1, talk.renewals)),
        ("renew", talk.length, calls.renew),
        ("close", talk.length, calls.close),
        ("end", talk.length, calls.end),
    ]
    # Stable: what has the same time keeps its order.
    return sorted(steps, key=lambda step: step[1])


@asynccontextmanager
async def _monitored(redis: Redis) -> AsyncIterator[Callable[[str], Awaitable[list[tuple[bytes, int]]]]]:
    """In the block, a function that returns what was said since it was last called, as (bytes, replies)."""
    given = redis.connection_pool.connection_kwargs | {"decode_responses": False}
    watching: Any = Connection(**{name: given[name] for name in ("host", "port", "password", "db")})
    await watching.connect()
    await watching.send_command("MONITOR")
    await watching.read_response()
    reader: Any = watching._reader

    async def said(mark: str) -> list[tuple[bytes, int]]:
        await redis.echo(f"end of {mark}")
        found: list[tuple[bytes, int]] = []
        transactions: dict[bytes, list[list[bytes]]] = {}
        while True:
            match = _LINE.fullmatch(await reader.readline())
            if match is None:
                continue
            client, arguments = match[1], [codecs.escape_decode(part)[0] for part in _ARGUMENT.findall(match[2])]
            if arguments[0].upper() == b"ECHO":
                return found
            if client == b"lua" or arguments[0].upper() in _NOT_OF_A_CALL:
                continue
            together = transactions.setdefault(client, [])
            together.append(arguments)
            if together[0][0].upper() == b"MULTI" and arguments[0].upper() != b"EXEC":
                continue
            found.append((b"".join(map(_encoded, together)), len(together)))
            del transactions[client]

    try:
        yield said
    finally:
        await watching.disconnect()


def _encoded(arguments: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in arguments)


def _task(sid: bytes) -> bytes:
    """The sid inside the body of the call's message, as kombu encodes it."""
    body = json.dumps([[], {"sid": sid.decode(), "attempt": 1}, {"callbacks": None}]).encode()
    # What follows the sid is the same for all: up to a multiple of three bytes it is encoded alike.
    start = body.index(sid) // 3 * 3
    end = -(-(body.index(sid) + len(sid)) // 3) * 3
    return base64.b64encode(body[start:end])


def _marks(payload: bytes) -> list[bytes]:
    """Of a task that is noted as taken: the mark by which it is noted."""
    return re.findall(rb"\$4\r\nZADD\r\n\$13\r\n%s\r\n\$\d+\r\n[\d.]+\r\n\$\d+\r\n([^\r]+)\r\n" % _TAG, payload)
