"""The actions on rooms: one method for each Lua script, and the reads that operators need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tasks.rooms import keys
from tasks.rooms.records import CallRecord, Claim, DeadLetter, Limits, Outline, Room, WorkerStatus
from tasks.rooms.scripts import ADMISSION, RECORD, script
from tasks.rooms.states import Closed, Found, Lease, Losing, Lost, Refusal, State
from tasks.rooms.waitlist import Line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio import Redis

NO_LIMITS = Limits()
OPEN_MS = 24 * 3600 * 1000
OVER_MS = 3600 * 1000
CONVERSATION_MS = 3600 * 1000
RECORDS_KEPT = 10_000
SCAN_BATCH = 1000


class RoomStore:
    """The rooms in one Redis. The client must decode responses.

    Every method raises `redis.RedisError` or `OSError` when Redis is away. A `claimant` has to be the one of the claim;
    without it whoever has the attempt may do this.
    """

    def __init__(self, redis: Redis, *, lease_ms: int = 6000) -> None:
        self.redis = redis
        self._lease_ms = lease_ms
        self.line = Line(redis)
        self._open = script(redis, "open_room", ADMISSION)
        self._claim = script(redis, "claim_room", ADMISSION)
        self._renew = script(redis, "renew_lease")
        self._stamp = script(redis, "stamp_steps")
        self._end = script(redis, "end_call", ADMISSION, RECORD)
        self._close = script(redis, "close_room", ADMISSION)
        self._lose = script(redis, "lose_call", ADMISSION, RECORD)
        self._bury = script(redis, "bury_room", ADMISSION)
        self._put_back = script(redis, "put_back")
        self._keep_conversation = script(redis, "keep_conversation")
        self._expired = script(redis, "expired_leases")
        self._find_tasks = script(redis, "find_tasks")
        self._lead = script(redis, "keep_lead")
        self._recall = script(redis, "recall_rooms")

    async def open(  # noqa: PLR0913 - one argument for each thing that is known of a new room
        self,
        *,
        sid: str,
        name: str,
        tenant: str,
        tier: str,
        queue: str,
        message: bytes,
        started_at_ms: int | None,
        received_at_ms: int,
        attempt: int = 1,
        replay: bool = False,
        ended_before_ms: int | None = None,
        limits: Limits = NO_LIMITS,
    ) -> Found:
        """Queue the room and its Celery message together, or keep both in line, unless the room is known.

        `replay`: also if it is dead. `ended_before_ms`: also if it ended before this (unix ms). Such a room may have
        had attempts; `attempt`, which `message` is for, has to be one more.
        """
        started = "" if started_at_ms is None else started_at_ms
        ended_before = "" if ended_before_ms is None else ended_before_ms
        known = [sid, name, tenant, tier, queue, message, started, received_at_ms, OPEN_MS]
        most = ["" if limit is None else limit for limit in (limits.tenant, limits.tier, limits.unclaimed)]
        found = await self._open(
            keys=[keys.room(sid), keys.ROOMS, *keys.ADMITTING],
            args=[*known, int(replay), ended_before, attempt, *most, keys.room("")],
        )
        return Found(found) if found in set(Found) else Found.KNOWN

    async def claim(self, sid: str, attempt: int, *, claimant: str, worker: str, pid: int) -> Claim | Refusal:
        """Take the room for this attempt, with a lease."""
        args: list[str | int] = [sid, attempt, claimant, worker, pid, self._lease_ms, OPEN_MS, keys.room("")]
        answer, *fields = await self._claim(keys=[keys.room(sid), keys.LEASES, keys.TELL, *keys.ADMITTING], args=args)
        if answer != "claimed":
            return Refusal(answer)
        return Claim(Room.read(dict(zip(fields[::2], fields[1::2], strict=True))))

    async def renew(self, sid: str, attempt: int, *, claimant: str = "") -> Lease:
        """Keep the lease for another while."""
        args: list[str | int] = [sid, attempt, self._lease_ms, OPEN_MS, claimant]
        return Lease(await self._renew(keys=[keys.room(sid), keys.LEASES], args=args))

    async def stamp(self, sid: str, attempt: int, steps: Mapping[str, int], *, claimant: str = "") -> bool:
        """Write when steps were reached, in ms after the claim. False: the attempt is stale."""
        pairs: list[str | int] = [part for step in steps.items() for part in step]
        return bool(await self._stamp(keys=[keys.room(sid)], args=[attempt, claimant, *pairs]))

    async def end(self, sid: str, attempt: int, *, outcome: str, usage: str, claimant: str = "") -> bool:
        """End the call and write its record. False: the attempt is stale."""
        ended = await self._end(
            keys=[keys.room(sid), keys.ROOMS, keys.LEASES, keys.CALLS, keys.conversation(sid), *keys.ADMITTING],
            args=[sid, attempt, outcome, usage, OVER_MS, RECORDS_KEPT, claimant, keys.room("")],
        )
        return bool(ended)

    async def close(self, sid: str) -> Closed:
        """The room has finished on the LiveKit server."""
        names = [keys.room(sid), keys.ROOMS, keys.conversation(sid), *keys.ADMITTING]
        return Closed(await self._close(keys=names, args=[sid, OVER_MS, keys.room("")]))

    async def lose(  # noqa: PLR0913 - what is lost, how, and what comes after it
        self,
        sid: str,
        attempt: int,
        *,
        queue: str,
        message: bytes,
        reason: str,
        max_attempts: int,
        how: Losing = Losing.FAILED,
        claimant: str = "",
    ) -> Lost:
        """This attempt's call is lost, or handed over; `message` is the task of the next one."""
        args: list[str | int | bytes] = [sid, attempt, max_attempts, message, reason, OPEN_MS, OVER_MS, RECORDS_KEPT]
        lost = await self._lose(
            keys=[
                *(keys.room(sid), keys.ROOMS, keys.LEASES, queue, keys.DEAD, keys.conversation(sid), keys.CALLS),
                *keys.ADMITTING,
            ],
            args=[*args, int(how is Losing.IF_EXPIRED), int(how is Losing.HANDED_OVER), claimant, keys.room("")],
        )
        return Lost(lost)

    async def put_back(self, sid: str, attempt: int) -> bool:
        """Put the task of a queued room back into its queue, in front. False: the room waits for no such task."""
        return bool(await self._put_back(keys=[keys.room(sid)], args=[attempt]))

    async def keep_conversation(self, sid: str, attempt: int, sealed: bytes, *, claimant: str = "") -> bool:
        """Keep what was said, sealed, for the attempt that may have to go on. False: the attempt is stale."""
        kept = await self._keep_conversation(
            keys=[keys.room(sid), keys.conversation(sid)], args=[attempt, sealed, CONVERSATION_MS, claimant]
        )
        return bool(kept)

    async def conversation(self, sid: str) -> bytes | None:
        """What an earlier attempt has kept, sealed, or None."""
        sealed = cast("str | None", await self.redis.get(keys.conversation(sid)))
        return None if sealed is None else sealed.encode()

    async def find_tasks(self, queued_ms_ago: int, limit: int) -> list[str]:
        """Put back the tasks of rooms that wait for one that is in no queue. Returns their sids."""
        return list(await self._find_tasks(keys=[keys.QUEUED], args=[keys.room(""), queued_ms_ago, limit]))

    async def expired(self, limit: int) -> list[str]:
        """The sids of running rooms whose lease has ended, the longest ago first."""
        return list(await self._expired(keys=[keys.LEASES], args=[limit]))

    async def forget_lease(self, sid: str) -> None:
        """Drop the lease of a room that Redis no longer knows."""
        await self.redis.zrem(keys.LEASES, sid)

    async def keep_lead(self, candidate: str, term_ms: int) -> bool:
        """Whether the candidate is the one reconciler, from now on for the term."""
        return bool(await self._lead(keys=[keys.LEADER], args=[candidate, term_ms]))

    async def bury(
        self,
        sid: str,
        *,
        attempt: int | None,
        name: str,
        tenant: str = "",
        tier: str = "",
        reason: str,
        claimant: str = "",
    ) -> bool:
        """Write a dead letter. `attempt` None: the room was never opened. False: known already, or stale."""
        buried = await self._bury(
            keys=[
                *(keys.room(sid), keys.ROOMS, keys.LEASES, keys.DEAD, keys.conversation(sid)),
                *keys.ADMITTING,
            ],
            args=[
                *(sid, "" if attempt is None else attempt, name, tenant, tier, reason, OVER_MS, RECORDS_KEPT),
                *(claimant, keys.room("")),
            ],
        )
        return bool(buried == "buried")

    async def ping(self) -> None:
        """Return when Redis answers."""
        await cast("Any", self.redis.ping())

    async def get(self, sid: str) -> Room | None:
        """One room, or None."""
        fields = cast("dict[str, str]", await cast("Any", self.redis.hgetall(keys.room(sid))))
        return Room.read(fields) if fields else None

    async def recall(self, sids: Sequence[str]) -> dict[str, Outline]:
        """Those of these rooms that Redis knows; of those that are over, it goes on knowing for another while.

        For some hundred at a time: more would keep Redis and the event loop from everybody else.
        """
        outlines = await self._recall(keys=[keys.room(sid) for sid in sids], args=[OVER_MS])
        return {
            sid: Outline(State(state), reason, int(ended) if ended else None)
            for sid, (state, reason, ended) in zip(sids, outlines, strict=True)
            if state
        }

    async def opened_ms(self) -> dict[str, int]:
        """The sid of every open room, and when it was opened, unix ms."""
        # In pieces: ten thousand in one answer take redis-py 100 ms to read, in which the event loop does nothing else.
        scan = self.redis.zscan_iter(keys.ROOMS, count=SCAN_BATCH)
        return {str(sid): int(ms) async for sid, ms in scan}

    async def list_open(self) -> list[Room]:
        """Every open room, the oldest first."""
        return await self._rooms([keys.room(str(sid)) for sid in await self.redis.zrange(keys.ROOMS, 0, -1)])

    async def list_all(self) -> list[Room]:
        """Every room that Redis still knows, in no order."""
        return await self._rooms([key async for key in self.redis.scan_iter(keys.room("*"), count=SCAN_BATCH)])

    async def _rooms(self, names: list[str]) -> list[Room]:
        async with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(name)
            return [Room.read(fields) for fields in await pipe.execute() if fields]

    async def workers(self) -> list[WorkerStatus]:
        """Every worker whose heartbeat is fresh, by name."""
        names = sorted([key async for key in self.redis.scan_iter(f"{keys.WORKERS}*", count=SCAN_BATCH)])
        async with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(name)
            beats = zip(names, await pipe.execute(), strict=True)
        return [WorkerStatus.read(name.removeprefix(keys.WORKERS), fields) for name, fields in beats if fields]

    async def dead_letters(self, limit: int | None = 100) -> list[DeadLetter]:
        """The newest dead letters, the newest first."""
        return [DeadLetter.read(entry, fields) for entry, fields in await self._newest(keys.DEAD, limit)]

    async def call_records(self, limit: int = 100) -> list[CallRecord]:
        """The newest ended calls, the newest first."""
        return [CallRecord.read(entry, fields) for entry, fields in await self._newest(keys.CALLS, limit)]

    async def _newest(self, stream: str, limit: int | None) -> list[tuple[str, dict[str, str]]]:
        return cast("list[tuple[str, dict[str, str]]]", await self.redis.xrevrange(stream, count=limit))
