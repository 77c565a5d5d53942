"""The raw body of a request, up to a limit of length, of time, and of bodies that are read at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from webhooks.errors import BodyCutShort, BodyTooLarge, BodyTooSlow, TooManyBodies

SECONDS = 5.0
"""The time that a body has to arrive. Senders are servers, and send what they have at once."""
MOST_AT_ONCE = 250
"""Bodies that one endpoint of a receiver reads at the same time."""
_DISCARDED_BYTES = 16 << 20


class BodyReader:
    """Reads the bodies of one endpoint, so that its senders cannot take the memory and the connections of another's."""

    def __init__(self, limit: int, *, seconds: float = SECONDS, most_at_once: int = MOST_AT_ONCE) -> None:
        self.limit = limit
        self._seconds = seconds
        self._left = most_at_once

    async def read(self, request: Request) -> bytes:
        """Return the whole body. A body that is longer than `limit` bytes, or declared to be, is not kept.

        Raises BodyTooLarge, BodyCutShort, BodyTooSlow and TooManyBodies.
        """
        if self._left <= 0:
            raise TooManyBodies
        self._left -= 1
        try:
            async with asyncio.timeout(self._seconds):
                return await self._read(request)
        except TimeoutError:
            raise BodyTooSlow(seconds=self._seconds) from None
        except ClientDisconnect:
            raise BodyCutShort from None
        finally:
            self._left += 1

    async def _read(self, request: Request) -> bytes:
        stream = request.stream()
        body = bytearray()
        if _content_length(request) <= self.limit:
            async for chunk in stream:
                body += chunk
                if len(body) > self.limit:
                    break
            else:
                return bytes(body)
        del body
        await _discard(stream)
        raise BodyTooLarge(limit=self.limit)


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
