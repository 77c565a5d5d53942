"""What the servers on loopback share that speak a provider's protocol: faults, latency, and what they were asked.

They hear and speak with the local providers; only the wire is the other provider's, as its public documentation has it.
They are driven by the unmodified plugins, in this process or in another one, by their address.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from aiohttp import web

from pipeline.providers.local.espeak import speak
from pipeline.providers.local.sphinx import recognise
from tests.unit.pipeline.providers.speech import resampled


class Fault(StrEnum):
    """What goes wrong."""

    REFUSED = "401"
    BUSY = "429"
    BROKEN = "500"
    CUT = "cut"
    """The connection is reset in the middle of an answer, or of the audio."""
    STALL = "stall"
    """The connection stays, and nothing more comes."""

    @property
    def status(self) -> int | None:
        """As an HTTP status, for those that are one."""
        return int(self) if self.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for: the path, the JSON, form or query fields, the key it came with, and all headers."""

    path: str
    fields: dict[str, Any]
    key: str
    headers: dict[str, str]


@dataclass
class WireServer:
    """One provider on a free port. Set `fault` and `latency_seconds` at any time; they hold for what comes next.

    `phrases` are all that its ears know; `reply` is all that its mind says.
    """

    phrases: Sequence[str] = ()
    reply: str = ""
    latency_seconds: float = 0.0
    fault: Fault | None = None
    requests: list[Request] = field(default_factory=list)
    root: str = ""
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """The base URL that its plugin takes."""
        return self.root

    def routes(self) -> list[web.RouteDef]:
        """What it answers."""
        raise NotImplementedError

    def key(self, request: web.Request) -> str:
        """Where this protocol has its key."""
        return request.headers.get("Authorization", "").removeprefix("Bearer ")

    def refusal(self, status: int) -> web.Response:
        """An error, in the words of this protocol."""
        return web.json_response(
            {"error": {"message": f"the wire server says {status}", "code": status}}, status=status
        )

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Answer requests, until the end of the block."""
        app = web.Application(client_max_size=64 << 20)
        app.add_routes(self.routes())
        app.router.add_route("*", "/{path:.*}", self._unknown)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.root = f"http://{host}:{port}"
        try:
            yield
        finally:
            self._over.set()
            await runner.cleanup()

    async def admit(self, request: web.Request, fields: dict[str, Any]) -> Fault | None:
        """Keep the request, take as long as it takes, and say what is to go wrong with it in the middle.

        Raises what refuses it at once.
        """
        self.requests.append(Request(request.path, fields, self.key(request), dict(request.headers)))
        fault = self.fault
        await asyncio.sleep(self.latency_seconds)
        if fault is not None and fault.status is not None:
            refusal = self.refusal(fault.status)
            raise _refused(refusal)
        return fault

    async def _unknown(self, request: web.Request) -> web.Response:

        return self.refusal(404)

    async def break_off(self, fault: Fault, request: web.Request) -> None:
        """Do what `fault` says to this connection: reset it, or leave it silent until the client or this one goes."""
        if fault is Fault.CUT:
            transport = request.transport
            if transport is not None:
                # Closing with no time to linger sends a reset, not an orderly end.
                raw: socket.socket = transport.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                transport.abort()
        else:
            await self._over.wait()


def _refused(refusal: web.Response) -> web.HTTPException:
    class Refused(web.HTTPException):
        status_code = refusal.status

    return Refused(text=refusal.text, content_type="application/json")


async def heard(pcm: bytes, rate: int, phrases: Sequence[str]) -> str:
    """The words in 16-bit mono audio."""
    audio = pcm if rate == SPHINX_RATE else _resampled(pcm, rate)
    return " ".join(await asyncio.to_thread(recognise, audio, phrases))


async def said(text: str, rate: int) -> bytes:
    """The text as 16-bit mono audio at this rate."""
    pcm, spoken_rate = await asyncio.to_thread(speak, text)
    return resampled(pcm, spoken_rate, rate)


def _resampled(pcm: bytes, rate: int) -> bytes:
    samples = np.frombuffer(pcm, dtype=np.int16)
    positions = np.linspace(0, len(samples) - 1, round(len(samples) * SPHINX_RATE / rate))
    return np.asarray(np.interp(positions, np.arange(len(samples)), samples), dtype=np.int16).tobytes()


SPHINX_RATE = 16000
