"""Answers streamed as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tests.provider_emulators.server import Fault, ProviderEmulator


def event(data: Any, name: str | None = None) -> bytes:
    """Return one event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


async def stream(
    emulator: ProviderEmulator, request: web.Request, events: Iterable[bytes], fault: Fault | None
) -> web.StreamResponse:
    """Send the events. A cut comes after the first one, a stall before it."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for number, part in enumerate(events):
        if fault is not None and (fault is Fault.STALL or number > 0):
            await emulator.break_off(fault, request)
            return response
        await response.write(part)
    return response
