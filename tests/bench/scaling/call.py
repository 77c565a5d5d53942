"""The life of a call, step by step, through the code that does it in production."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from livekit.agents import ChatContext
from redis.asyncio import Redis

from pipeline.conversation import Conversation
from tasks.call.lease import LeaseKeeper
from tasks.encryption import Seal
from tasks.queue.dispatcher import RoomSeen
from tasks.redis_client import connect
from tasks.rooms import Claim, Room, RoomStore, keys
from tasks.tenants import RedisTenants
from tests.bench.scaling.cost import Cost, cost_of_each
from tests.bench.scaling.fake_worker import Taker
from tests.bench.scaling.fixture import CALLED, Installation

WORKER = "celery@host"
STEPS = ("connecting", "joined", "published", "first_audio")
USAGE = json.dumps([{"type": "llm_usage", "provider": "p", "model": "m", "input_tokens": 9000, "output_tokens": 700}])
SENTENCE = "Thank you, I have noted that down. Is there anything else that I can do for you today?"


@dataclass(frozen=True, slots=True)
class Talk:
    """How long a call is, how often somebody says something in it, and how often its lease is renewed, in seconds."""

    length: float = 180.0
    said_every: float = 5.0
    renewed_every: float = 2.0

    @property
    def said(self) -> int:
        """How often the conversation is written: whenever somebody has said something."""
        return int(self.length / self.said_every)

    @property
    def renewals(self) -> int:
        """How often the lease is renewed because nothing else happens: what happens renews it too."""
        moments = [0.3, 0.5, 0.7, 1.0, *(self.said_every * (number + 1) for number in range(self.said)), self.length]
        return 1 + sum(int((after - before) / self.renewed_every) for before, after in pairwise(moments))


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes in Redis: a room that is over, for an hour; a call's record; a conversation, while the call lives.

    `connections`: how many a call has to Redis while it lives.
    """

    over: float
    record: float
    conversation: float
    connections: float


class Calls:
    """So many calls, one after another at each step. Each has a tenant, and a child with a connection, of its own.

    What is kept of a conversation, which grows, is always half of what is said in a call.
    """

    def __init__(self, installation: Installation, count: int, talk: Talk) -> None:
        self._installation = installation
        self._talk = talk
        self.sids = [f"RM_called{number:06}" for number in range(count)]
        self._children: dict[str, _Child] = {}
        self._conversation = _conversation(talk.said // 2)
        self._connections = 0.0

    async def costs(self) -> list[Cost]:
        """Of each step, in the order in which they come."""
        await self._installation.declare({_tenant(sid): CALLED for sid in self.sids})
        talk = self._talk
        meter = self._installation.meter
        with Taker.of(self._installation.settings) as taker:
            found = [
                await self._each("open: room_started", self.open),
                await self._each("open again: participant_joined", self.open),
                await self._each("take: BRPOP, unacked, ack", taker.take),
                await self._each("tell Flower: 3 events", taker.tell),
            ]
            before = await meter.connections()
            found += [
                await self._each("claim: connect, claim, tenant", self.claim),
                await self._each("stamp a step, renew", self.stamp, times=len(STEPS)),
                await self._each("keep the conversation, renew", self.say, times=talk.said),
                await self._each("renew", self.renew, times=talk.renewals),
                await self._each("close: room_finished", self.close),
            ]
            self._connections = (await meter.connections() - before) / len(self.sids)
        found.append(await self._each("end: the record, disconnect", self.end))
        return found

    async def _each(self, name: str, step: Callable[[str], Awaitable[None]], *, times: float = 1.0) -> Cost:
        return await cost_of_each(name, self._installation.meter, step, self.sids, times=times)

    async def open(self, sid: str) -> None:
        """The receiver's part, when the room starts and when its caller joins."""
        await self._installation.dispatcher.open(RoomSeen(sid, f"call-{_tenant(sid)}-1", started_at_ms=1))

    async def claim(self, sid: str) -> None:
        """A fresh child, until its call begins."""
        self._children[sid] = await _Child.start(self._installation, sid)

    async def stamp(self, sid: str) -> None:
        """The call reaches a step."""
        await self._children[sid].stamp()

    async def say(self, sid: str) -> None:
        """Somebody has said something."""
        await self._children[sid].say(self._conversation)

    async def renew(self, sid: str) -> None:
        """Nothing happens."""
        await self._children[sid].renew()

    async def close(self, sid: str) -> None:
        """The receiver's part, when the room finishes."""
        await self._installation.dispatcher.close(sid)

    async def end(self, sid: str) -> None:
        """The child's last words."""
        await self._children.pop(sid).end()

    async def kept_bytes(self) -> Kept:
        """What is left of these calls when they are over, and what a conversation had been meanwhile."""
        redis: Any = self._installation.redis
        rooms = [await redis.memory_usage(keys.room(sid)) for sid in self.sids]
        records = await redis.memory_usage(keys.CALLS, samples=0)
        sealed = Seal(self._installation.settings).close(self.sids[0], self._conversation)
        return Kept(sum(rooms) / len(rooms), records / await redis.xlen(keys.CALLS), len(sealed), self._connections)


class NotClaimedError(RuntimeError):
    """A room that nobody else knows could not be claimed."""


class _Child:
    def __init__(self, redis: Redis, rooms: RoomStore, room: Room, keeper: LeaseKeeper) -> None:
        self._redis = redis
        self._rooms = rooms
        self._room = room
        self._keeper = keeper

    @classmethod
    async def start(cls, installation: Installation, sid: str) -> Self:
        """As `tasks.call.attempt` does."""
        settings = installation.settings
        redis = connect(settings)
        rooms = RoomStore(redis, lease_ms=settings.lease_ttl_ms)
        claim = await rooms.claim(sid, 1, claimant=f"{sid:0>32}", worker=WORKER, pid=os.getpid())
        if not isinstance(claim, Claim):
            raise NotClaimedError(claim)
        await RedisTenants(redis, frozenset(settings.tiers)).with_keys(claim.room.tenant)
        return cls(redis, rooms, claim.room, LeaseKeeper(rooms, claim.room, settings, claimed_at=time.monotonic()))

    async def stamp(self) -> None:
        self._keeper.step("joined")
        await self._keeper.write()
        await self.renew()

    async def say(self, conversation: str) -> None:
        self._keeper.said(conversation)
        await self._keeper.write()
        await self.renew()

    async def renew(self) -> None:
        await self._rooms.renew(self._room.sid, self._room.attempt, claimant=self._room.claimant)

    async def end(self) -> None:
        room = self._room
        await self._rooms.end(room.sid, room.attempt, outcome="room finished", usage=USAGE, claimant=room.claimant)
        await self._redis.aclose()


def _tenant(sid: str) -> str:
    return f"tenant-{sid}"


def _conversation(items: int) -> str:
    said = ChatContext.empty()
    for number in range(items):
        said.add_message(role="assistant" if number % 2 else "user", content=SENTENCE)
    return Conversation().to_json(said)
