"""The actions on rooms, a method for each Lua script, and the reads that operators need."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from tasks.rooms import keys
from tasks.rooms.call_records import NO_METRICS, AttemptMetrics, AttemptRecord, CallRecord, newest_entries
from tasks.rooms.overview import RoomOverview
from tasks.rooms.records import DeadLetter, Limits, Room, RoomSummary, WorkerStatus, readable_room
from tasks.rooms.scripts import Script
from tasks.rooms.states import (
    CallEnd,
    ClaimRefusal,
    CloseResult,
    EndedBy,
    LossCause,
    OpenResult,
    PublicReason,
    RenewResult,
    RequeueResult,
    State,
)
from tasks.rooms.waitlist import WaitList

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio import Redis

NO_LIMITS = Limits()
NO_STEPS: Mapping[str, int] = MappingProxyType({})
SCAN_BATCH = 1000
LONGEST_DELAY_MS = 8000
"""The longest time between two attempts after quick failures. The caller waits meanwhile."""


class RoomStore:
    """The rooms in one Redis. The client must decode responses.

    `quick_failure_ms`: an attempt that fails within this time of its claim has failed quickly, and the next one is
    likely to fail the same way. Every method raises `redis.RedisError` or `OSError` when Redis is away. `claimant` is
    the one of the claim; where it is left out, the attempt alone decides whether a write counts.
    """

    def __init__(self, redis: Redis, *, lease_ms: int = 6000, quick_failure_ms: int = 5000) -> None:
        self.redis = redis
        self._lease_ms = lease_ms
        self._quick_failure_ms = quick_failure_ms
        self.waitlist = WaitList(redis)
        self._open_room = Script(redis, "open_room")
        self._claim_room = Script(redis, "claim_room")
        self._renew_lease = Script(redis, "renew_lease")
        self._end_call = Script(redis, "end_call")
        self._close_room = Script(redis, "close_room")
        self._requeue_room = Script(redis, "requeue_room")
        self._dead_letter_room = Script(redis, "dead_letter_room")
        self._return_message = Script(redis, "return_message")
        self._delay_room = Script(redis, "delay_room")
        self._list_expired_leases = Script(redis, "list_expired_leases")
        self._requeue_lost_messages = Script(redis, "requeue_lost_messages")
        self._settle_step_back = Script(redis, "settle_step_back")
        self._queue_delayed_rooms = Script(redis, "queue_delayed_rooms")
        self._hold_leadership = Script(redis, "hold_leadership")
        self._prove_write = Script(redis, "prove_write")
        self._look_up_rooms = Script(redis, "look_up_rooms")

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
        agent_metadata: str = "",
        number: str = "",
        trace: str = "",
        notices: bool = False,
    ) -> OpenResult:
        """Open a room, and put its Celery message onto its queue or onto the waitlist, unless the room is known.

        A room that is dead because no tenant was found for it counts as unknown. `replay`: open it also if it is dead.
        `ended_before_ms`: open it also if its callers ended it before this (unix ms). Such a room may have had
        attempts; `attempt`, which `message` is for, has to be one more. `number`: the caller's. `agent_metadata`:
        encrypted. Without one of the two, the room keeps what it has, or what `save_agent_metadata` has saved.
        `notices`: its tenant gets them.
        """
        opened = await self._open_room(
            room_key=keys.room(sid),
            conversation_key=keys.conversation(sid),
            sid=sid,
            name=name,
            tenant=tenant,
            tier=tier,
            queue=queue,
            message=message,
            started_at_ms=started_at_ms,
            received_at_ms=received_at_ms,
            attempt=attempt,
            replay=replay,
            ended_before_ms=ended_before_ms,
            tenant_limit=limits.tenant,
            tier_limit=limits.tier,
            unclaimed_limit=limits.unclaimed,
            agent_metadata=agent_metadata,
            agent_metadata_key=keys.agent_metadata(name),
            number=number,
            trace=trace,
            notices=notices,
            trace_key=keys.trace(name),
            waiting_limit=limits.waiting,
            over_ms=keys.REFUSED_ROOM_MS,
        )
        return OpenResult(opened)

    async def claim(
        self, sid: str, attempt: int, *, claimant: str, worker: str, pid: int, version: str = ""
    ) -> Room | ClaimRefusal:
        """Claim a room for this attempt, with a lease. Returns the room as it is then. `version`: of Switchboard."""
        answer, *fields = await self._claim_room(
            room_key=keys.room(sid),
            sid=sid,
            attempt=attempt,
            claimant=claimant,
            worker=worker,
            pid=pid,
            version=version,
            lease_ms=self._lease_ms,
        )
        if answer != "claimed":
            return ClaimRefusal(answer)
        return Room.read(dict(zip(fields[::2], fields[1::2], strict=True)))

    async def renew(
        self,
        sid: str,
        attempt: int,
        *,
        claimant: str = "",
        steps: Mapping[str, int] = NO_STEPS,
        conversation: bytes | None = None,
        metrics: AttemptMetrics = NO_METRICS,
    ) -> RenewResult:
        """Renew the lease, from now on for its TTL, and write what is new, unless it is lost.

        `steps`: when reached, in ms after the claim. `conversation`: encrypted. `metrics`: for the attempt's record.
        """
        renewed = await self._renew_lease(
            *(part for step in steps.items() for part in step),
            room_key=keys.room(sid),
            conversation_key=keys.conversation(sid),
            sid=sid,
            attempt=attempt,
            claimant=claimant,
            conversation=conversation,
            usage=metrics.usage,
            turns=metrics.turns,
            lease_ms=self._lease_ms,
        )
        return RenewResult(renewed)

    async def end(
        self,
        sid: str,
        attempt: int,
        *,
        outcome: str,
        metrics: AttemptMetrics = NO_METRICS,
        ended_by: EndedBy = EndedBy.CALLERS,
        claimant: str = "",
    ) -> CallEnd | None:
        """End the call and write its records; `metrics`: as in `renew`. Returns None if it is stale."""
        ended = await self._end_call(
            room_key=keys.room(sid),
            conversation_key=keys.conversation(sid),
            sid=sid,
            attempt=attempt,
            claimant=claimant,
            outcome=outcome,
            ended_by=ended_by,
            public_reason=PublicReason.ENDED if ended_by is EndedBy.LIMIT else "",
            usage=metrics.usage,
            turns=metrics.turns,
            over_ms=keys.OVER_ROOM_MS,
        )
        return CallEnd(ended[0], EndedBy(ended[1])) if ended else None

    async def close(self, sid: str, *, missing: bool = False) -> CloseResult:
        """Close a room that has finished on the LiveKit server.

        `missing`: only the server's list lacks it, which may be wrong, so a running call is left alone.
        """
        closed = await self._close_room(
            room_key=keys.room(sid),
            conversation_key=keys.conversation(sid),
            sid=sid,
            missing=missing,
            over_ms=keys.OVER_ROOM_MS,
        )
        return CloseResult(closed)

    async def requeue(  # noqa: PLR0913 - what is lost, why, and what comes after it
        self,
        sid: str,
        attempt: int,
        *,
        queue: str,
        message: bytes,
        reason: str,
        max_attempts: int,
        cause: LossCause = LossCause.FAILED,
        claimant: str = "",
        metrics: AttemptMetrics = NO_METRICS,
    ) -> RequeueResult:
        """Requeue a room whose call this attempt has lost, or hands over; `message` is for the next attempt.

        After several attempts that failed quickly, one waits for `queue_delayed_rooms`. When `max_attempts` have
        failed, a dead letter with this `reason` is written instead.
        """
        requeued = await self._requeue_room(
            room_key=keys.room(sid),
            conversation_key=keys.conversation(sid),
            queue_key=queue,
            sid=sid,
            attempt=attempt,
            claimant=claimant,
            max_attempts=max_attempts,
            only_if_expired=cause is LossCause.LEASE_EXPIRED,
            counted=cause.counted,
            cause=cause,
            handed_over=cause is LossCause.HANDED_OVER,
            backs_off=cause.backs_off,
            quick_ms=self._quick_failure_ms,
            longest_delay_ms=LONGEST_DELAY_MS,
            message=message,
            reason=reason,
            public_reason=PublicReason.UNAVAILABLE,
            over_ms=keys.OVER_ROOM_MS,
            usage=metrics.usage,
            turns=metrics.turns,
        )
        return RequeueResult(requeued)

    async def return_message(self, sid: str, attempt: int) -> bool:
        """Return the message of a queued room to the front of its queue. Returns False if the room waits for none."""
        return bool(await self._return_message(room_key=keys.room(sid), attempt=attempt))

    async def delay(self, sid: str, attempt: int, delay_ms: int) -> bool:
        """Put the message of a queued room into its queue after a delay. Returns False if the room waits for none."""
        return bool(await self._delay_room(room_key=keys.room(sid), sid=sid, attempt=attempt, delay_ms=delay_ms))

    async def save_agent_metadata(self, name: str, encrypted: bytes) -> None:
        """Save the metadata for the agent of a room that is about to be created with this name."""
        await self.redis.set(keys.agent_metadata(name), encrypted, px=keys.AGENT_METADATA_MS)

    async def conversation(self, sid: str) -> bytes | None:
        """Return the conversation that an earlier attempt has saved, encrypted, or None."""
        encrypted = cast("str | None", await self.redis.get(keys.conversation(sid)))
        return None if encrypted is None else encrypted.encode()

    async def requeue_lost_messages(self, queued_ms_ago: int, limit: int) -> list[str]:
        """Requeue the messages of rooms that were queued so long ago and are in no queue. Returns their sids."""
        return list(await self._requeue_lost_messages(queued_ms_ago=queued_ms_ago, most=limit))

    async def queue_delayed_rooms(self, limit: int) -> list[str]:
        """Queue the messages of rooms whose delay after quick failures is over. Returns their sids."""
        return list(await self._queue_delayed_rooms(most=limit))

    async def list_expired_leases(self, limit: int, *, latest_ms: int | None = None) -> list[str]:
        """List the sids of running rooms whose lease has expired, the longest ago first.

        `latest_ms`: what Redis' clock can show at most (unix ms), if it has not stepped forward.
        """
        return list(await self._list_expired_leases(most=limit, latest_ms=latest_ms))

    async def settle_step_back(self, longest_ms: int, limit: int) -> tuple[int, int]:
        """Settle what was stamped before Redis' clock stepped back. No lease that is renewed has `longest_ms` to go.

        Returns how many leases have been ended, and how many messages are due to be looked for.
        """
        leases, messages = await self._settle_step_back(longest_ms=longest_ms, most=limit)
        return int(leases), int(messages)

    async def delete_lease(self, sid: str) -> None:
        """Delete the lease of a room that Redis no longer knows."""
        await self.redis.zrem(keys.LEASES, sid)

    async def hold_leadership(self, candidate: str, term_ms: int) -> tuple[bool, int]:
        """Become or stay the reconcilers' leader, for a term. Returns whether it is, and Redis' time (unix ms)."""
        leads, now_ms = await self._hold_leadership(candidate=candidate, term_ms=term_ms)
        return bool(leads), int(now_ms)

    async def dead_letter(
        self,
        sid: str,
        *,
        attempt: int | None,
        reason: str,
        name: str = "",
        ended_before_ms: int | None = None,
        claimant: str = "",
        metrics: AttemptMetrics = NO_METRICS,
    ) -> bool:
        """Write a dead letter for a room that cannot be answered, and end it.

        `attempt` is None for a room for which no tenant was found. It alone needs a `name`, and `ended_before_ms` as in
        `open`. Returns False if such a room is known already, or if the attempt is stale.
        """
        written = await self._dead_letter_room(
            room_key=keys.room(sid),
            conversation_key=keys.conversation(sid),
            sid=sid,
            attempt=attempt,
            claimant=claimant,
            name=name,
            ended_before_ms=ended_before_ms,
            reason=reason,
            public_reason=PublicReason.UNAVAILABLE,
            over_ms=keys.OVER_ROOM_MS,
            usage=metrics.usage,
            turns=metrics.turns,
        )
        return bool(written)

    async def prove_write(self) -> None:
        """Return when Redis has run a script that writes. A Redis without memory, or a replica, answers a PING too."""
        await self._prove_write()

    async def get(self, sid: str) -> Room | None:
        """Return a room, or None. One whose hash is not readable is as good as unknown, and soon forgotten."""
        return next(iter(await self._rooms([sid])), None)

    async def look_up(self, sids: Sequence[str]) -> dict[str, RoomSummary]:
        """Return the rooms among these that Redis knows. Those that are over stay known for another hour.

        Pass some hundred at a time: more would keep Redis and the event loop from everything else.
        """
        summaries = await self._look_up_rooms(more_keys=[keys.room(sid) for sid in sids], over_ms=keys.OVER_ROOM_MS)
        return {
            sid: RoomSummary(State(state), ended_by, int(ended) if ended else None)
            for sid, (state, ended_by, ended) in zip(sids, summaries, strict=True)
            if state
        }

    async def opened_ms(self) -> dict[str, int]:
        """Return the sid of every open room, and when it was opened, unix ms."""
        # In pieces: ten thousand in one answer take redis-py 100 ms to read, in which the event loop does nothing else.
        return {str(sid): int(ms) async for sid, ms in self.redis.zscan_iter(keys.ROOMS, count=SCAN_BATCH)}

    async def list_running(self) -> set[str]:
        """Return the sid of every running room."""
        return {str(sid) async for sid, _ in self.redis.zscan_iter(keys.LEASES, count=SCAN_BATCH)}

    async def list_open(self) -> list[Room]:
        """List every open room, the oldest first."""
        return await RoomOverview(self.redis).rooms()

    async def list_all(self) -> list[Room]:
        """List every room that Redis still knows, in no order."""
        names = [str(key) async for key in self.redis.scan_iter(keys.room("*"), count=SCAN_BATCH)]
        return await self._rooms([name.removeprefix(keys.ROOM_PREFIX) for name in names])

    async def _rooms(self, sids: list[str]) -> list[Room]:
        async with self.redis.pipeline(transaction=False) as pipe:
            for sid in sids:
                pipe.hgetall(keys.room(sid))
            answers = await pipe.execute(raise_on_error=False)
        return [room for sid, answer in zip(sids, answers, strict=True) if (room := readable_room(sid, answer))]

    async def list_workers(self) -> list[WorkerStatus]:
        """List every worker whose heartbeat is fresh, by name."""
        names = sorted([key async for key in self.redis.scan_iter(f"{keys.WORKERS}*", count=SCAN_BATCH)])
        async with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(name)
            beats = zip(names, await pipe.execute(), strict=True)
        return [WorkerStatus.read(name.removeprefix(keys.WORKERS), fields) for name, fields in beats if fields]

    async def list_dead_letters(self, limit: int | None = 100) -> list[DeadLetter]:
        """List the newest dead letters, the newest first."""
        letters = cast("list[tuple[str, dict[str, str]]]", await self.redis.xrevrange(keys.DEAD, count=limit))
        return [DeadLetter.read(entry, fields) for entry, fields in letters]

    async def list_call_records(self, limit: int = 100, *, claimed: bool = False) -> list[CallRecord]:
        """List the newest call records, the newest first. `claimed`: only of calls that an attempt has claimed."""
        return [CallRecord.read(*entry) for entry in await newest_entries(self.redis, "call", limit, claimed=claimed)]

    async def list_attempt_records(self, limit: int = 100) -> list[AttemptRecord]:
        """List the newest attempt records, the newest first."""
        return [AttemptRecord.read(*entry) for entry in await newest_entries(self.redis, "attempt", limit)]
