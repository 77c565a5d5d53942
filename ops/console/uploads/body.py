"""The bodies of uploads, with limits of size and time."""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from ops.console.uploads.errors import BrokenOff, Malformed, TooLarge

SILENT_SECONDS = 30.0
"""The time in which a sender has to send something more."""
LONGEST_SECONDS = 900.0
"""The time in which livekit-agents gives up, too."""
OTLP_BYTES = 16 << 20
"""The longest OTLP body as it is sent: a batch of 512 spans has some 100 kB."""
OTLP_CONTENT_BYTES = 64 << 20
"""The same, decompressed."""
_GZIP = 16 + zlib.MAX_WBITS
_STEP = 1 << 20
_DISCARDED_BYTES = 16 << 20


async def chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yield the body as it arrives. Raises TooLarge and BrokenOff."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise TooLarge(limit=limit)
    received, until = 0, time.monotonic() + LONGEST_SECONDS
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(min(SILENT_SECONDS, until - time.monotonic())):
                data = await anext(stream, None)
        except TimeoutError:
            raise BrokenOff(problem="nothing has come for too long") from None
        except ClientDisconnect:
            raise BrokenOff(problem="the sender has left") from None
        if data is None:
            return
        received += len(data)
        if received > limit:
            raise TooLarge(limit=limit)
        yield data


async def discard(request: Request) -> None:
    """Read the rest of a body that is refused, up to 16 MiB: a sender that still sends would not see the answer."""
    left = _DISCARDED_BYTES
    with contextlib.suppress(ClientDisconnect, TimeoutError, RuntimeError):
        async with asyncio.timeout(SILENT_SECONDS):
            async for data in request.stream():
                left -= len(data)
                if left < 0:
                    return


async def read_otlp(request: Request) -> bytes:
    """Return the decompressed body of an OTLP request. Raises TooLarge, BrokenOff and Malformed."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"gzip", "identity"}:
        raise Malformed(problem="it is neither gzip nor plain")
    if encoding == "identity":
        return b"".join([data async for data in chunks(request, OTLP_BYTES)])
    inflater = zlib.decompressobj(_GZIP)
    content = bytearray()
    async for data in chunks(request, OTLP_BYTES):
        left = data
        while left:
            try:
                content += inflater.decompress(left, _STEP)
            except zlib.error:
                raise Malformed(problem="it is not gzip") from None
            if len(content) > OTLP_CONTENT_BYTES:
                raise TooLarge(limit=OTLP_CONTENT_BYTES)
            left = inflater.unconsumed_tail
    if not inflater.eof:
        raise Malformed(problem="its gzip is cut short")
    return bytes(content)
