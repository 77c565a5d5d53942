"""The life of a call, step by step, through the code of production."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from statistics import mean
from typing import Any, Self

from livekit.agents import ChatContext
from redis.asyncio import Redis

from pipeline.conversation import Conversation
from tasks.call.lease import Lease
from tasks.encryption import Encryption
from tasks.queue.dispatcher import RoomInfo
from tasks.redis_client import connect
from tasks.rooms import AttemptMetrics, Room, RoomStore, keys
from tasks.settings.groups import LeaseSettings
from tasks.tenants import TenantReader
from tasks.tenants.record_signer import RecordSigner
from tests.bench.scaling.cost import Cost, measure_each
from tests.bench.scaling.fake_worker import FakeWorker
from tests.bench.scaling.fixture import MEASURED_TIER, Installation

WORKER = "celery@host"
STEPS = ("connecting", "joined", "published", "first_audio")
STEPS_AT = (0.3, 0.5, 0.7, 1.0)
"""Seconds after the claim."""
SIMULATED = 100
USAGE = json.dumps([{"type": "llm_usage", "provider": "p", "model": "m", "input_tokens": 9000, "output_tokens": 700}])
SENTENCE = "Thank you, I have noted that down. Is there anything else that I can do for you today?"


@dataclass(frozen=True, slots=True)
class CallProfile:
    """The length of a call, the interval between its sentences, and that between renewals of its lease, in seconds."""

    length: float = 180.0
    sentence_interval: float = 5.0
    renew_interval: float = LeaseSettings.model_fields["renew_ms"].default / 1000

    @property
    def sentences(self) -> int:
        """The number of sentences."""
        return int(self.length / self.sentence_interval)

    @property
    def renewals(self) -> int:
        """The number of renewals of the lease with nothing else to write. A step or a sentence renews it too."""
        return _renewals_and_saves(self)[0]

    @property
    def saves(self) -> int:
        """The number of renewals that write the conversation, sometimes after two sentences at once."""
        return _renewals_and_saves(self)[1]


@cache
def _renewals_and_saves(profile: CallProfile) -> tuple[int, int]:
    """Return the means of calls in which a sentence ends at any moment of its interval."""
    renewals, saves = zip(*(_simulate(profile, Random(seed)) for seed in range(SIMULATED)), strict=True)
    return round(mean(renewals)), round(mean(saves))


def _simulate(profile: CallProfile, random: Random) -> tuple[int, int]:
    interval = profile.renew_interval
    ends = ((number + random.random()) * profile.sentence_interval for number in range(profile.sentences))
    events = [(profile.length, "end"), *((at, "step") for at in STEPS_AT), *((at, "sentence") for at in ends)]
    renewals, saves, due, save = 0, 0, interval, math.inf
    for at, event in sorted(events):
        while (renewed_at := min(due, save)) < at:
            renewals, saves = renewals + (save == math.inf), saves + (save < math.inf)
            due, save = renewed_at + interval, math.inf
        if event == "step":
            due, save = at + interval, math.inf
        elif event == "sentence":
            # See `Lease.save_conversation`.
            save = min(save, at + interval / 2)
    return renewals, saves


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes in Redis of a room that is over, of a call record and of a conversation.

    `connections`: a running call's connections to Redis.
    """

    ended_room: float
    call_record: float
    conversation: float
    connections: float


class Calls:
    """`count` calls, one after another at each step. Each has its own tenant, and a child with its own connection.

    The conversation that is written grows in a real call. Here it always has half of the sentences.
    """

    def __init__(self, installation: Installation, count: int, profile: CallProfile) -> None:
        self._installation = installation
        self._profile = profile
        self.sids = [f"RM_called{number:06}" for number in range(count)]
        self._children: dict[str, _Child] = {}
        self._conversation = _conversation(profile.sentences // 2)
        self._connections = 0.0

    async def costs(self) -> list[Cost]:
        """Measure each step, in the order of a call."""
        await self._installation.declare({_tenant(sid): MEASURED_TIER for sid in self.sids})
        profile = self._profile
        meter = self._installation.meter
        with FakeWorker.of(self._installation.settings) as worker:
            costs = [
                await self._each("open: room_started", self.open),
                await self._each("open again: participant_joined", self.open),
                await self._each("take a message: BRPOP, look at its room", worker.take_message),
                await self._each("send 3 events for Flower", worker.send_events),
            ]
            before = await meter.connections()
            costs += [
                await self._each("claim: connect, claim, read tenant", self.claim),
                await self._each("record a step, renew", self.record_step, per_call=len(STEPS)),
                await self._each("save the conversation, renew", self.save_conversation, per_call=profile.saves),
                await self._each("renew", self.renew, per_call=profile.renewals),
                await self._each("close: room_finished", self.close),
            ]
            self._connections = (await meter.connections() - before) / len(self.sids)
        costs.append(await self._each("end: call record, disconnect", self.end))
        return costs

    async def _each(self, name: str, step: Callable[[str], Awaitable[None]], *, per_call: float = 1.0) -> Cost:
        return await measure_each(name, self._installation.meter, step, self.sids, per_call=per_call)

    async def open(self, sid: str) -> None:
        """Open the room, as a receiver does when it is started and when its caller joins."""
        await self._installation.dispatcher.open(RoomInfo(sid, f"call-{_tenant(sid)}-1", started_at_ms=1))

    async def claim(self, sid: str) -> None:
        """Claim the room, as a new child does before its call begins."""
        self._children[sid] = await _Child.start(self._installation, sid)

    async def record_step(self, sid: str) -> None:
        """Record a step of the call."""
        await self._children[sid].record_step()

    async def save_conversation(self, sid: str) -> None:
        """Save the conversation, as after each sentence."""
        await self._children[sid].save_conversation(self._conversation)

    async def renew(self, sid: str) -> None:
        """Renew the lease, with nothing to write."""
        await self._children[sid].renew()

    async def close(self, sid: str) -> None:
        """Close the room, as a receiver does when it has finished."""
        await self._installation.dispatcher.close(sid)

    async def end(self, sid: str) -> None:
        """End the call and disconnect, as a child does."""
        await self._children.pop(sid).end()

    async def footprint(self) -> Footprint:
        """Measure the bytes that Redis has of these calls after their end, and those of a conversation."""
        redis: Any = self._installation.redis
        rooms = [await redis.memory_usage(keys.room(sid)) for sid in self.sids]
        records = await redis.memory_usage(keys.CALLS, samples=0)
        encrypted = Encryption(self._installation.settings).encrypt(self.sids[0], self._conversation)
        return Footprint(
            sum(rooms) / len(rooms), records / await redis.xlen(keys.CALLS), len(encrypted), self._connections
        )


class NotClaimedError(RuntimeError):
    """Raised when a room could not be claimed, although only this process knows it."""


class _Child:
    def __init__(self, redis: Redis, rooms: RoomStore, room: Room, lease: Lease) -> None:
        self._redis = redis
        self._rooms = rooms
        self._room = room
        self._lease = lease

    @classmethod
    async def start(cls, installation: Installation, sid: str) -> Self:
        """Claim the room, as `tasks.call.attempt` does."""
        settings = installation.settings
        redis = connect(settings.redis)
        rooms = RoomStore(redis, lease_ms=settings.lease.ttl_ms)
        claim = await rooms.claim(sid, 1, claimant=f"{sid:0>32}", worker=WORKER, pid=os.getpid())
        if not isinstance(claim, Room):
            raise NotClaimedError(claim)
        await TenantReader(redis, settings.tiers.names, RecordSigner(Encryption(settings))).get_with_keys(claim.tenant)
        return cls(redis, rooms, claim, Lease(rooms, claim, settings, lambda _: None))

    async def record_step(self) -> None:
        self._lease.record_step("joined", 100)
        await self._lease.renew_once()

    async def save_conversation(self, conversation: str) -> None:
        self._lease.save_conversation(conversation)
        await self._lease.renew_once()

    async def renew(self) -> None:
        await self._lease.renew_once()

    async def end(self) -> None:
        room = self._room
        await self._rooms.end(
            room.sid, room.attempt, outcome="room finished", metrics=AttemptMetrics(USAGE), claimant=room.claimant
        )
        await self._redis.aclose()


def _tenant(sid: str) -> str:
    return f"tenant-{sid}"


def _conversation(items: int) -> str:
    chat = ChatContext.empty()
    for number in range(items):
        chat.add_message(role="assistant" if number % 2 else "user", content=SENTENCE)
    return Conversation().to_json(chat)
