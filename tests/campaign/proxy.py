"""A proxy for TCP with links that can be cut, held, slowed, and, before Redis, answered with errors.

`python -m tests.campaign.proxy FILE`, where FILE has `ProxyPlan` as JSON. A line of JSON to its control port sets the
mode of a link, and is answered with a line. It is a process of its own, so that its links stay fast while the campaign
computes.

    open    bytes pass
    cut     connections are reset, and new ones too
    held    nothing passes, and all of it later; connections stay. Unlike toxiproxy's timeout, which ends them
    slowed  bytes pass later, by so many seconds
    errors  Redis answers each request with this error
    lost    an HTTP request is answered 200 at once, and goes nowhere
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from tests.campaign.redis_errors import ErrorInjector

Mode = Literal["open", "cut", "held", "slowed", "errors", "lost"]
CHUNK_BYTES = 1 << 16
HEADERS_END = b"\r\n\r\n"
ACCEPTED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """A link: where it listens, and what it leads to. `redis`: the protocol is that of Redis."""

    name: str
    listen: tuple[str, int]
    to: tuple[str, int]
    redis: bool = False


@dataclass(frozen=True, slots=True)
class ProxyPlan:
    """A proxy: the port on loopback that it is controlled by, and its links."""

    control_port: int
    links: tuple[LinkPlan, ...]

    def to_json(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` has written."""
        plan = json.loads(text)
        links = [link | {"listen": tuple(link["listen"]), "to": tuple(link["to"])} for link in plan["links"]]
        return cls(plan["control_port"], tuple(LinkPlan(**link) for link in links))


class Link:
    """A link, with its connections."""

    def __init__(self, plan: LinkPlan) -> None:
        self.plan = plan
        self._mode: Mode = "open"
        self._seconds = 0.0
        self._error = ""
        self._passing = asyncio.Event()
        self._passing.set()
        self._writers: set[asyncio.StreamWriter] = set()

    def set(self, mode: Mode, seconds: float = 0.0, error: str = "") -> None:
        """Change the mode, of the connections that there are too."""
        self._mode, self._seconds = mode, seconds
        self._error = error if mode == "errors" else ""
        if mode == "held":
            self._passing.clear()
        else:
            self._passing.set()
        if mode == "cut":
            for writer in self._writers:
                _reset(writer)

    async def serve(self) -> asyncio.Server:
        """Listen."""
        return await asyncio.start_server(self._connected, *self.plan.listen)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            await self._passing.wait()
            if self._mode == "cut":
                _reset(writer)
                return
            upstream_reader, upstream = await asyncio.open_connection(*self.plan.to)
            self._writers.add(upstream)
            injector = ErrorInjector() if self.plan.redis else None
            requests = (lambda data: injector.feed(data, self._error)) if injector else (lambda data: data)
            pumps = [
                asyncio.create_task(self._pump(reader, upstream, requests, back=writer)),
                asyncio.create_task(self._pump(upstream_reader, writer)),
            ]
            # A side that has ended ends the other: none of the protocols here goes on one way.
            _, running = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in running:
                pump.cancel()
            await asyncio.wait(pumps)
        except OSError:
            _reset(writer)
        finally:
            for each in filter(None, (writer, upstream)):
                self._writers.discard(each)
                each.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        change: Callable[[bytes], bytes] = lambda data: data,
        *,
        back: asyncio.StreamWriter | None = None,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._passing.wait()
                if self._mode == "slowed":
                    await asyncio.sleep(self._seconds)
                if self._mode == "lost" and back is not None:
                    if HEADERS_END in data:
                        back.write(ACCEPTED)
                        return
                    continue
                writer.write(change(data))
                await writer.drain()
            await self._passing.wait()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        # Closed with linger 0, a connection ends with a reset, as when the host behind it has gone.
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def main(plan: ProxyPlan) -> None:
    """Serve until the process is ended."""
    links = {link.name: Link(link) for link in plan.links}
    for link in links.values():
        await link.serve()

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            wanted: dict[str, Any] = json.loads(line)
            links[wanted.pop("link")].set(**wanted)
            writer.write(b"done\n")
        writer.close()

    async with await asyncio.start_server(control, "127.0.0.1", plan.control_port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(ProxyPlan.from_json(Path(sys.argv[1]).read_text(encoding="utf-8"))))
