"""The participants of each room, looked up again and again on the LiveKit server."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiohttp
from livekit import api
from livekit.protocol import models

from ops.stack.livekit import LiveKitServer
from tests.campaign.observations import Observations, Sample

SAMPLE_SECONDS = 1.0
AGENT, EGRESS = models.ParticipantInfo.Kind.AGENT, models.ParticipantInfo.Kind.EGRESS


async def sample_for_ever(server: LiveKitServer, seen: Observations) -> None:
    """Sample until cancelled. A server that does not answer gives no sample."""
    async with api.LiveKitAPI(server.url, server.api_key, server.api_secret) as livekit:
        while True:
            with suppress(api.TwirpError, aiohttp.ClientError, TimeoutError, OSError):
                await _sample(livekit, seen)
            await asyncio.sleep(SAMPLE_SECONDS)


async def _sample(livekit: api.LiveKitAPI, seen: Observations) -> None:
    existing = {room.name for room in (await livekit.room.list_rooms(api.ListRoomsRequest())).rooms}
    for room in seen.rooms:
        listed: list[models.ParticipantInfo] = []
        if room.name in existing:
            try:
                request = api.ListParticipantsRequest(room=room.name)
                listed = list((await livekit.room.list_participants(request)).participants)
            except api.TwirpError:
                continue
        agents = tuple(person.identity for person in listed if person.kind == AGENT)
        # Our own definition of a caller, and not the product's: it is what the product is judged by.
        callers = tuple(
            person.identity
            for person in listed
            if person.kind not in {AGENT, EGRESS} and not (person.permission.hidden or person.permission.recorder)
        )
        room.samples.append(Sample(seen.clock.now(), agents, callers))
