"""Scripted histories of rooms in a real Redis, so that every metric has a known value."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tasks.background.notices import keys as notice_keys
from tasks.rooms import (
    AttemptMetrics,
    Counters,
    EndedBy,
    Intake,
    Limits,
    LossCause,
    OpenResult,
    Repairs,
    RequeueResult,
    Room,
    RoomStore,
    SweepName,
    WorkerStatus,
    keys,
)
from tasks.rooms.counters import UploadOutcome
from tasks.rooms.erasures import ErasureRequest, ErasureRequests
from tests.support.rooms import open_some_room

STARTED_MS = 1000
"""Of `room_started`, before the receiver has it: LiveKit's clock."""
USAGE = [
    {"type": "llm_usage", "provider": "openai", "model": "gpt-x", "input_tokens": 100, "output_tokens": 20},
    {"type": "tts_usage", "provider": "eleven", "model": "flash", "characters_count": 50, "audio_duration": 2.5},
    {"type": "stt_usage", "provider": "deepgram", "model": "nova", "audio_duration": 10.0},
    {"type": "eot_usage", "provider": "livekit", "model": "turn", "total_requests": 3},
    {"type": "provider_failure", "kind": "llm", "index": 0, "provider": "openai", "error": "401", "count": 2},
    {"type": "provider_fallback", "kind": "llm", "provider": "openai", "count": 2},
]
TIERS = {"acme": "premium", "beta": "standard", "gamma": "free"}
TURNS = {"replies_ms": [400, 1600], "interruptions": 1, "turns": 3}


@dataclass
class Seconds:
    """What some histories have taken, by Redis' clock."""

    first_audio: dict[str, float] = field(default_factory=dict)
    gaps: list[float] = field(default_factory=list)
    with_agent: float = 0.0


class Histories:
    """The histories."""

    def __init__(self, rooms: RoomStore) -> None:
        self._rooms = rooms
        self.seconds = Seconds()

    async def open(self, sid: str, tenant: str, *, attempt: int = 1, limits: Limits | None = None) -> OpenResult:
        now_ms = await self._now_ms()
        return await open_some_room(
            self._rooms,
            sid,
            tenant=tenant,
            tier=TIERS[tenant],
            message=sid.encode(),
            started_at_ms=now_ms - STARTED_MS,
            received_at_ms=now_ms,
            attempt=attempt,
            limits=limits or Limits(),
        )

    async def claim(self, sid: str, attempt: int = 1) -> Room:
        room = await self._rooms.claim(sid, attempt, claimant="a", worker="celery@one", pid=7)
        assert isinstance(room, Room)
        return room

    async def answered(self, sid: str, tenant: str) -> None:
        """A caller hears an agent, and hangs up."""
        await self.open(sid, tenant)
        room = await self.claim(sid)
        await self._rooms.renew(sid, 1, steps={"joined": 100, "first_audio": 300})
        self.seconds.first_audio[sid] = self._since_started(room, 300)
        await self._end(sid, 1, room)

    async def lost_and_recovered(self, sid: str, tenant: str, *, heard: bool) -> None:
        """The agent's process is killed, before or after its first word, and the next one goes on."""
        await self.open(sid, tenant)
        first = await self.claim(sid)
        if heard:
            await self._rooms.renew(sid, 1, steps={"joined": 100, "first_audio": 300})
            self.seconds.first_audio[sid] = self._since_started(first, 300)
        await self.requeue(sid, 1)
        second = await self.claim(sid, 2)
        lost_ms = second.steps_ms["lost"]
        self.seconds.with_agent += (lost_ms - first.steps_ms["claimed"]) / 1000
        await self._rooms.renew(sid, 2, steps={"joined": 200, "first_audio": 400})
        self.seconds.gaps.append((second.steps_ms["claimed"] + 200 - lost_ms) / 1000)
        if not heard:
            known = await self._rooms.get(sid)
            assert known is not None
            opened = int(str(await self._rooms.redis.hget(keys.room(sid), "opened")))
            self.seconds.first_audio[sid] = (known.steps_ms["first_audio"] - opened) / 1000
        await self._end(sid, 2, second)

    async def handed_over(self, sid: str, tenant: str) -> None:
        """A worker drains, and another one goes on."""
        await self.open(sid, tenant)
        first = await self.claim(sid)
        await self._rooms.renew(sid, 1, steps={"joined": 100, "first_audio": 300})
        self.seconds.first_audio[sid] = self._since_started(first, 300)
        await self.requeue(sid, 1, cause=LossCause.HANDED_OVER)
        second = await self.claim(sid, 2)
        self.seconds.with_agent += (second.steps_ms["lost"] - first.steps_ms["claimed"]) / 1000
        await self._rooms.renew(sid, 2, steps={"joined": 200, "first_audio": 400})
        await self._end(sid, 2, second)

    async def abandoned(self, sid: str, tenant: str) -> None:
        """The caller hangs up before an agent comes."""
        await self.open(sid, tenant)
        await self._rooms.close(sid)

    async def waited_too_long(self, sid: str, tenant: str) -> None:
        """Nobody comes."""
        await self.open(sid, tenant)
        assert await self._rooms.waitlist.expire_waits(TIERS[tenant], -1, reason="nobody came", limit=1) == [sid]

    async def attempts_used_up(self, sid: str, tenant: str) -> None:
        """The only attempt that is allowed fails."""
        await self.open(sid, tenant)
        await self.claim(sid)
        assert await self.requeue(sid, 1, max_attempts=1) is RequeueResult.DEAD

    async def unanswerable(self, sid: str, tenant: str) -> None:
        """The tenant names a provider that there is not."""
        await self.open(sid, tenant)
        await self.claim(sid)
        assert await self._rooms.dead_letter(sid, attempt=1, reason="no such provider")

    async def tenantless(self, sid: str) -> None:
        """The room names a tenant that there is not."""
        assert await self._rooms.dead_letter(sid, attempt=None, name="lobby", reason="no such tenant")

    async def refused(self, sid: str, tenant: str) -> None:
        """The tenant has as many calls and as many waiting rooms as it may have."""
        assert await self.open(sid, tenant, limits=Limits(tenant=0, waiting=0)) is OpenResult.BUSY

    async def requeue(
        self, sid: str, attempt: int, *, max_attempts: int = 5, cause: LossCause = LossCause.FAILED
    ) -> RequeueResult:
        room = await self._rooms.get(sid)
        assert room is not None
        return await self._rooms.requeue(
            sid, attempt, queue=room.queue, message=b"x", reason="x", max_attempts=max_attempts, cause=cause
        )

    async def _end(self, sid: str, attempt: int, room: Room) -> None:
        metrics = AttemptMetrics(json.dumps(USAGE), json.dumps(TURNS))
        assert await self._rooms.end(sid, attempt, outcome="room empty", metrics=metrics, ended_by=EndedBy.CALLERS)
        ended = await self._rooms.get(sid)
        assert ended is not None
        self.seconds.with_agent += (ended.steps_ms["ended"] - room.steps_ms["claimed"]) / 1000

    def _since_started(self, room: Room, ms: int) -> float:
        return (room.steps_ms["claimed"] + ms - room.steps_ms["room_started"]) / 1000

    async def _now_ms(self) -> int:
        seconds, microseconds = await self._rooms.redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000


async def all_histories(rooms: RoomStore) -> Seconds:
    """Run them, and leave three rooms open, two workers and a leader."""
    histories = Histories(rooms)
    await histories.answered("RM_answered", "acme")
    await histories.lost_and_recovered("RM_lost", "acme", heard=True)
    await histories.lost_and_recovered("RM_lost_unheard", "beta", heard=False)
    await histories.handed_over("RM_handed_over", "beta")
    await histories.abandoned("RM_abandoned", "gamma")
    await histories.waited_too_long("RM_waited", "gamma")
    await histories.attempts_used_up("RM_used_up", "acme")
    await histories.unanswerable("RM_unanswerable", "acme")
    await histories.tenantless("RM_tenantless")
    await histories.refused("RM_refused", "gamma")
    await histories.open("RM_running", "acme")
    await histories.claim("RM_running")
    await histories.open("RM_queued", "beta")
    assert await histories.open("RM_waiting", "gamma", limits=Limits(tenant=0, waiting=5)) is OpenResult.WAITING
    await beat(rooms, worker("celery@one", Intake.OPEN, queues=("premium", "standard")))
    await beat(rooms, worker("celery@two", Intake.DRAINING, queues=("premium",)))
    await rooms.hold_leadership("me", 60_000)
    counters = Counters(rooms.redis)
    for kind, outcome in (
        ("recordings", UploadOutcome.TAKEN),
        ("recordings", UploadOutcome.TAKEN),
        ("traces", UploadOutcome.REFUSED),
    ):
        await counters.count_upload(kind, outcome)
    await counters.tick(1_700_000_000_500, Repairs({SweepName.LOST_CALLS: 2, SweepName.PERMITS: 3}))
    await notices(rooms)
    await erasures(rooms)
    await writer(rooms)
    return histories.seconds


async def writer(rooms: RoomStore) -> None:
    """Leave what a writer of records leaves that has written all of them but those that it could not."""
    await rooms.redis.xgroup_create(keys.CALLS, keys.RECORD_WRITERS, id="$")
    await rooms.redis.hset(keys.COUNTERS, mapping={keys.RECORDS_LOST: "2", keys.RECORDS_REJECTED: "1"})


async def erasures(rooms: RoomStore) -> None:
    """Leave a request of a backend that no console has done."""
    await ErasureRequests(rooms.redis).add(ErasureRequest("acme", "RM_1", "k1"))


async def notices(rooms: RoomStore) -> None:
    """Leave what background workers leave, and an event of a minute ago that none has taken."""
    counts = {"tries:delivered": 5, "tries:failed": 2, "notices:delivered": 4, "notices:given_up": 1}
    await rooms.redis.hset(notice_keys.COUNTERS, mapping=counts)  # type: ignore[arg-type]
    await rooms.redis.hset(notice_keys.BACKENDS_DISABLED, "acme", "{}")
    seconds, _ = await rooms.redis.time()
    await rooms.redis.xadd(keys.NOTICE_EVENTS, {"kind": "started"}, id=f"{(int(seconds) - 60) * 1000}-1")


def worker(node: str, state: Intake, *, queues: tuple[str, ...]) -> WorkerStatus:
    return WorkerStatus(
        node, queues, slots=8, idle=3, load=0.25, reserved=0.125, state=state.value, pid=7, busy=4, late_renewals=5
    )


async def beat(rooms: RoomStore, status: WorkerStatus, *, ms: int = 600_000) -> None:
    await rooms.redis.hset(keys.worker(status.node), mapping=status.fields())  # type: ignore[arg-type]
    await rooms.redis.pexpire(keys.worker(status.node), ms)
