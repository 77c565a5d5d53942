"""The agent's connection to the LiveKit server, which fails long before livekit's client says so, or without a word.

The client notices a network that swallows packets by a ping on its signal connection, after 12 to 15 s, and then tries
to reconnect for as long again. But something arrives every few seconds: reports on what the agent sends, and answers to
the client's own checks of the path, even where nobody speaks. When nothing does, nobody hears the agent.

After a connection that failed and was tried again, the client (1.1.21) plays nothing of what arrives, for the rest of
the process: its audio device ends with the first peer connection, and is not started for the next one (`AdmProxy::Init`
in its webrtc-sys). It says that all is well, and the agent hears nobody. A fresh process hears.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from livekit import rtc

CHECK_SECONDS = 1.0
STATISTICS_SECONDS = 2.0
"""Time limit for the client's statistics, which it gives within milliseconds."""

DEAF_SECONDS = 3.0
"""The time in which audio arrives and none of it is played, before the agent counts as deaf: the first packets of a
track arrive a little before it is played."""

logger = logging.getLogger("switchboard.pipeline.call")


@dataclass(frozen=True, slots=True)
class Arrivals:
    """All that has arrived so far: anything, packets of audio, and samples of audio that were played."""

    anything: int = 0
    audio_packets: int = 0
    audio_samples: int = 0


class Connection:
    """Watch over the connection of a room.

    `lost` is done, with the problem, when nothing has arrived for `away_seconds`, when audio arrives that is not
    played, or when the client has disconnected, which it does not always say. While the event loop stands still,
    nothing is taken for lost.
    """

    def __init__(self, room: rtc.Room, away_seconds: float) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._room = room
        self._away_seconds = away_seconds
        self._arrived = Arrivals()
        self._watching = asyncio.create_task(self._watch())

    def close(self) -> None:
        """Stop watching."""
        self._watching.cancel()

    async def _watch(self) -> None:
        joined, gone, away, deaf, checked_at = False, False, 0.0, 0.0, time.monotonic()
        while not self.lost.done():
            await asyncio.sleep(CHECK_SECONDS)
            before, self._arrived = self._arrived, await self._arrivals()
            now = time.monotonic()
            # Of a longer time nothing is known: this process has stood still, and what has arrived is yet to be read.
            passed = min(now - checked_at, 2 * CHECK_SECONDS)
            away += passed
            checked_at = now
            connected = self._room.isconnected()
            joined = joined or connected
            # What the client says of it, such as that the room was deleted, may be on its way at the first look.
            gone_before, gone = gone, joined and not connected
            if self._arrived.anything > before.anything or not joined:
                away = 0.0
            if self._arrived.audio_samples > before.audio_samples:
                deaf = 0.0
            elif self._arrived.audio_packets > before.audio_packets:
                deaf += passed
            if gone and gone_before:
                self.lost.set_result("its client has disconnected")
            elif away >= self._away_seconds:
                self.lost.set_result(f"nothing has arrived for {self._away_seconds:g} s")
            elif deaf >= DEAF_SECONDS:
                self.lost.set_result("its client does not play what callers say")

    async def _arrivals(self) -> Arrivals:
        """Return what has arrived so far.

        Answers to checks of the path are not among the packets. Where the client does not say, it is as before.
        """
        try:
            async with asyncio.timeout(STATISTICS_SECONDS):
                statistics = await self._room.get_rtc_stats()
        except Exception as error:  # noqa: BLE001 - of a native client: whatever it is, the watch goes on
            logger.debug("no statistics of the connection", extra={"error": type(error).__name__})
            return self._arrived
        anything = packets = samples = 0
        for part in (*statistics.publisher_stats, *statistics.subscriber_stats):
            if part.HasField("transport"):
                anything += part.transport.transport.packets_received
            elif part.HasField("candidate_pair"):
                anything += part.candidate_pair.candidate_pair.responses_received
            elif part.HasField("inbound_rtp") and part.inbound_rtp.stream.kind == "audio":
                packets += part.inbound_rtp.received.packets_received
                samples += part.inbound_rtp.inbound.total_samples_received
        return Arrivals(anything, packets, samples)
