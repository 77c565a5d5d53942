"""The raw body of a request, up to a limit."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from webhooks.errors import BodyCutShort, BodyTooLarge

_DISCARDED_BYTES = 16 << 20


async def read(request: Request, limit: int) -> bytes:
    """Return the whole body. A body that is longer than `limit` bytes, or declared to be, is not kept.

    Raises BodyTooLarge and BodyCutShort.
    """
    stream = request.stream()
    body = bytearray()
    try:
        if _content_length(request) <= limit:
            async for chunk in stream:
                body += chunk
                if len(body) > limit:
                    break
            else:
                return bytes(body)
        del body
        await _discard(stream)
    except ClientDisconnect:
        raise BodyCutShort from None
    raise BodyTooLarge(limit=limit)


def _content_length(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


async def _discard(stream: AsyncIterator[bytes]) -> None:
    # Closing a connection while data is still arriving resets it, and the sender would see the reset instead of the
    # status. So the rest of a body is read and dropped, up to 16 MiB.
    left = _DISCARDED_BYTES
    async for chunk in stream:
        left -= len(chunk)
        if left < 0:
            return
