"""The length of an OGG Opus file, from its first and its last page, as it passes by (RFC 7845)."""

from __future__ import annotations

from collections.abc import AsyncIterator

RATE = 48000
"""Positions in Opus are at this rate, whatever the rate of the input."""
PAGE = 65307
"""The longest page, in bytes."""
_HEAD = b"OpusHead"
_CAPTURE = b"OggS"
_PRE_SKIP = slice(10, 12)
_POSITION = slice(6, 14)
_UNKNOWN = (1 << 64) - 1


class OggLength:
    """The length of the audio that has passed by."""

    def __init__(self) -> None:
        self._first = b""
        self._last = b""

    async def watch(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the content as it is."""
        async for data in content:
            if len(self._first) < PAGE:
                self._first += data[:PAGE]
            self._last = (self._last + data)[-2 * PAGE :]
            yield data

    @property
    def ms(self) -> int | None:
        """The length in ms; None if it is no OGG Opus."""
        head = self._first.find(_HEAD)
        if head < 0:
            return None
        pre_skip = int.from_bytes(self._first[head:][_PRE_SKIP], "little")
        end = len(self._last)
        while (page := self._last.rfind(_CAPTURE, 0, end)) >= 0:
            position = int.from_bytes(self._last[page:][_POSITION], "little")
            if position != _UNKNOWN:
                return max(0, position - pre_skip) * 1000 // RATE
            # No packet ends on that page.
            end = page
        return None
