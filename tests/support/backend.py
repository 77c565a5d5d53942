"""A tenant's backend on loopback: it records what comes, checks the signature on its own, and fails as a test wants."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from ops.stack.ports import HOST

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret, of 32 bytes here").decode()

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Received:
    """A request. `at`: when, by the monotonic clock."""

    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def content(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def kind(self) -> str:
        return str(self.content["type"])

    def is_signed(self, secret: str = SECRET) -> bool:
        """Whether one of the signatures is made with this secret, as the specification says, and not by the library."""
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return f"v1,{wanted}" in self.headers["webhook-signature"].split(" ")


@dataclass
class Backend:
    """A backend. `behaviours`: of the next requests; then, and without any, it takes what comes."""

    port: int = 0
    scheme: str = "http"
    behaviours: list[Behaviour] = field(default_factory=list)
    always: Behaviour | None = None
    received: list[Received] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}/switchboard"

    @property
    def kinds(self) -> list[str]:
        return [request.kind for request in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = (line.partition(":") for line in head.splitlines()[1:] if line)
                headers = {name.strip().lower(): value.strip() for name, _, value in lines}
                body = await reader.readexactly(int(headers["content-length"]))
                self.received.append(Received(headers, body, time.monotonic()))
                behave = self.behaviours.pop(0) if self.behaviours else (self.always or answer(200, "thanks"))
                await behave(writer)
                await writer.drain()
        finally:
            self.at_once -= 1
            writer.close()


@asynccontextmanager
async def backend(*, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Backend]:
    """A backend that listens."""
    made = Backend(scheme="https" if tls else "http")
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            with suppress(asyncio.CancelledError):
                await made.serve(reader, writer)
        finally:
            serving.discard(task)

    server = await asyncio.start_server(serve, HOST, port, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in [*serving]:
            task.cancel()
        await asyncio.sleep(0)


def answer(status: int, text: str = "", **headers: str) -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> None:
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(text)}\r\n{more}\r\n{text}".encode())

    return behave


async def hang(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


def hang_in_body(status: int) -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 1000\r\n\r\nbegun".encode())
        await hang(writer)

    return behave


async def drip(writer: asyncio.StreamWriter) -> None:
    """Send the head of an answer a byte at a time, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        writer.write(b"y")
        await writer.drain()
        await asyncio.sleep(0.02)


async def reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection with a RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def say_nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example.com ESMTP\r\n")


async def send_a_gigabyte(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 500 X\r\ncontent-length: 1000000000\r\n\r\n")
    block = b"x" * (1 << 16)
    while True:
        writer.write(block)
        await writer.drain()
