"""The raw body of a request, up to a limit."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from webhooks.errors import BodyCutShort, BodyTooLarge

_DISCARDED_BYTES = 16 << 20


async def read(request: Request, limit: int) -> bytes:
    """Return the whole body. Of one that is, or says it is, larger than `limit` bytes, nothing is kept.

    Raises BodyTooLarge and BodyCutShort.
    """
    stream = request.stream()
    body = bytearray()
    try:
        if _declared(request) <= limit:
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


def _declared(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


async def _discard(stream: AsyncIterator[bytes]) -> None:
    # Closing a connection on which data is still arriving resets it, and a sender in the middle of its body would see
    # that instead of the status. So what is only somewhat too large is let in, and dropped.
    left = _DISCARDED_BYTES
    async for chunk in stream:
        left -= len(chunk)
        if left < 0:
            return
