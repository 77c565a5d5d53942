"""The agent's connection to the LiveKit server, which fails long before livekit's client says so.

The client notices a network that swallows packets by a ping on its signal connection, after 12 to 15 s, and then tries
to reconnect for as long again, in which it says nothing of the end. But in each second some packets arrive: answers to
the checks of the path, and reports on what the agent sends. When none do, nobody hears the agent.
"""

from __future__ import annotations

import asyncio
import time

from livekit import rtc

CHECK_SECONDS = 1.0
STATISTICS_SECONDS = 2.0
"""Time limit for the client's statistics, which it gives within milliseconds."""


class Connection:
    """Watch over the connection of a room. `lost` is done when no packet has arrived for `away_seconds`.

    A call whose event loop stands still sees when it goes on that packets have arrived meanwhile.
    """

    def __init__(self, room: rtc.Room, away_seconds: float) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._room = room
        self._away_seconds = away_seconds
        self._packets = 0
        self._watching = asyncio.create_task(self._watch())

    def close(self) -> None:
        """Stop watching."""
        self._watching.cancel()

    async def _watch(self) -> None:
        away, checked_at = 0.0, time.monotonic()
        while not self.lost.done():
            await asyncio.sleep(CHECK_SECONDS)
            packets = await self._packets_received()
            now = time.monotonic()
            # Of a longer time nothing is known: this process has stood still, and what has arrived is yet to be read.
            away += min(now - checked_at, 2 * CHECK_SECONDS)
            checked_at = now
            if packets != self._packets or not packets or not self._room.isconnected():
                self._packets, away = packets, 0.0
            elif away >= self._away_seconds:
                self.lost.set_result(None)

    async def _packets_received(self) -> int:
        """Return how many packets the client has received, or as many as before where it does not say."""
        try:
            async with asyncio.timeout(STATISTICS_SECONDS):
                statistics = await self._room.get_rtc_stats()
        except (RuntimeError, TimeoutError):
            return self._packets
        return sum(
            part.transport.transport.packets_received
            for part in (*statistics.publisher_stats, *statistics.subscriber_stats)
            if part.HasField("transport")
        )
