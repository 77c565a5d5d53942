"""The base of the provider emulators: faults, latency, and the requests received."""

from __future__ import annotations

import asyncio
import functools
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web

from pipeline.providers.local.espeak import speak
from pipeline.providers.local.sphinx import SAMPLE_RATE, recognise
from tests.support.speech import resampled


class Fault(StrEnum):
    """A way in which a provider fails."""

    REFUSED = "401"
    BUSY = "429"
    BROKEN = "500"
    CUT = "cut"
    """The connection is reset in the middle of an answer, or of the audio."""
    STALL = "stall"
    """The connection stays open, and nothing more comes."""

    @property
    def status(self) -> int | None:
        """The HTTP status, for the faults that have one."""
        return int(self) if self.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Request:
    """A request received. `fields`: the JSON, form or query. `key`: the provider key in it."""

    path: str
    fields: dict[str, Any]
    key: str
    headers: dict[str, str]


@dataclass
class ProviderEmulator:
    """An emulator on a free port. `fault` and `latency_seconds` may be set at any time, for the requests after that.

    `port`: 0 for any free one. `phrases`: all that its STT recognises. `reply`: the answer of its LLM.
    """

    phrases: Sequence[str] = ()
    reply: str = ""
    latency_seconds: float = 0.0
    fault: Fault | None = None
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    root: str = ""
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """The `base_url` that the plugin takes."""
        return self.root

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this protocol."""
        raise NotImplementedError

    def key(self, request: web.Request) -> str:
        """Return the provider key, from where this protocol has it."""
        return request.headers.get("Authorization", "").removeprefix("Bearer ")

    def refusal(self, status: int) -> web.Response:
        """Return an error in the format of this protocol."""
        return web.json_response({"error": {"message": f"emulated {status}", "code": status}}, status=status)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Answer requests until the end of the block."""
        app = web.Application(client_max_size=64 << 20)
        app.add_routes(self.routes())
        app.router.add_route("*", "/{path:.*}", self._unknown)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        listener = socket.create_server(("127.0.0.1", self.port))
        await web.SockSite(runner, listener).start()
        host, port = listener.getsockname()
        self.root = f"http://{host}:{port}"
        try:
            yield
        finally:
            self._stopping.set()
            await _stop_accepting(listener)
            await runner.cleanup()

    async def admit(self, request: web.Request, fields: dict[str, Any]) -> Fault | None:
        """Record the request, wait for the latency, and return the fault to apply in the middle of the answer.

        Raises the HTTP error of a fault that has a status.
        """
        self.requests.append(Request(request.path, fields, self.key(request), dict(request.headers)))
        fault = self.fault
        await asyncio.sleep(self.latency_seconds)
        if fault is not None and fault.status is not None:
            raise _as_exception(self.refusal(fault.status))
        return fault

    async def break_off(self, fault: Fault, request: web.Request) -> None:
        """Apply a fault to the connection: reset it, or leave it silent until the client or this emulator ends."""
        if fault is Fault.CUT:
            transport = request.transport
            if transport is not None:
                # Closing with a linger time of zero sends a reset, not an orderly end.
                raw: socket.socket = transport.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                transport.abort()
        else:
            await self._stopping.wait()

    async def _unknown(self, request: web.Request) -> web.Response:
        return self.refusal(404)


async def _stop_accepting(listener: socket.socket) -> None:
    """Let the connections accepted so far have their transports, and accept no more.

    asyncio makes a connection's transport one round of its loop after it has accepted it. A server that is closed in
    between leaves the socket open, for the garbage collector to warn about (CPython gh-109564).
    """
    asyncio.get_running_loop().remove_reader(listener)
    await asyncio.sleep(0)


def _as_exception(response: web.Response) -> web.HTTPException:
    class EmulatedError(web.HTTPException):
        status_code = response.status

    return EmulatedError(text=response.text, content_type="application/json")


async def transcribe(pcm: bytes, rate: int, phrases: Sequence[str]) -> str:
    """Return the words in 16-bit mono audio."""
    audio = pcm if rate == SAMPLE_RATE else resampled(pcm, rate, SAMPLE_RATE)
    return " ".join(await asyncio.to_thread(recognise, audio, phrases))


async def synthesise(text: str, rate: int) -> bytes:
    """Return the text as 16-bit mono audio at this sample rate."""
    return await asyncio.to_thread(_spoken, text, rate)


@functools.lru_cache(maxsize=64)
def _spoken(text: str, rate: int) -> bytes:
    pcm, spoken_rate = speak(text)
    return resampled(pcm, spoken_rate, rate)
