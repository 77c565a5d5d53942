"""The agent's connection to the LiveKit server, which fails long before livekit's client says so.

The client notices a network that swallows packets by a ping on its signal connection, after 12 to 15 s, and then tries
to reconnect for as long again. But something arrives every few seconds: reports on what the agent sends, and answers to
the client's own checks of the path, even where nobody speaks. When nothing does, nobody hears the agent.
"""

from __future__ import annotations

import asyncio
import logging
import time

from livekit import rtc

CHECK_SECONDS = 1.0
STATISTICS_SECONDS = 2.0
"""Time limit for the client's statistics, which it gives within milliseconds."""

logger = logging.getLogger("switchboard.pipeline.call")


class Connection:
    """Watch over the connection of a room.

    `lost` is done, with the problem, when nothing has arrived for `away_seconds`, or when the client has disconnected,
    which it does not always say. While the event loop stands still, nothing is taken for lost.
    """

    def __init__(self, room: rtc.Room, away_seconds: float) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._room = room
        self._away_seconds = away_seconds
        self._arrived = 0
        self._watching = asyncio.create_task(self._watch())

    def close(self) -> None:
        """Stop watching."""
        self._watching.cancel()

    async def _watch(self) -> None:
        joined, gone, away, checked_at = False, False, 0.0, time.monotonic()
        while not self.lost.done():
            await asyncio.sleep(CHECK_SECONDS)
            before, self._arrived = self._arrived, await self._arrivals()
            now = time.monotonic()
            # Of a longer time nothing is known: this process has stood still, and what has arrived is yet to be read.
            away += min(now - checked_at, 2 * CHECK_SECONDS)
            checked_at = now
            connected = self._room.isconnected()
            joined = joined or connected
            # What the client says of it, such as that the room was deleted, may be on its way at the first look.
            gone_before, gone = gone, joined and not connected
            if self._arrived > before or not joined:
                away = 0.0
            elif gone and gone_before:
                self.lost.set_result("its client has disconnected")
            elif away >= self._away_seconds:
                self.lost.set_result(f"nothing has arrived for {self._away_seconds:g} s")

    async def _arrivals(self) -> int:
        """Return how much has arrived so far: packets, and answers to checks of the path, which are not among them.

        Where the client does not say, it is as before.
        """
        try:
            async with asyncio.timeout(STATISTICS_SECONDS):
                statistics = await self._room.get_rtc_stats()
        except Exception as error:  # noqa: BLE001 - of a native client: whatever it is, the watch goes on
            logger.debug("no statistics of the connection", extra={"error": type(error).__name__})
            return self._arrived
        arrived = 0
        for part in (*statistics.publisher_stats, *statistics.subscriber_stats):
            if part.HasField("transport"):
                arrived += part.transport.transport.packets_received
            elif part.HasField("candidate_pair"):
                arrived += part.candidate_pair.candidate_pair.responses_received
        return arrived
