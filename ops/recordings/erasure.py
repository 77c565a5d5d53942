"""The erasure of a call: all that was said in it, and who has called.

    database        number and room's name, transcript, spans, log lines, summary
    object store    audio
    Redis           the conversation, the number, the room's dead letters, its notices to the tenant's backend, and the
                    records that the database has, too

The bare record stays, with its times and its usage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis.exceptions import RedisError
from sqlalchemy import select

from ops.recordings.deletion import Deletion
from tasks.background.notices.erasure import erase_notices
from tasks.errors import RedisUnavailable, SwitchboardError
from tasks.records import Database, RecordStore
from tasks.records.models import Attempt, Call
from tasks.rooms import RoomStore, State, keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

OPEN = frozenset({State.WAITING, State.QUEUED, State.RUNNING})


class CallOpen(SwitchboardError):
    """The call {sid} is still going on, and would be recorded again. Erase it when it is over."""


@dataclass(frozen=True, slots=True)
class ErasedCall:
    """An erased room. `recorded`: something was recorded of it; `known`: it has a record, which stays."""

    sid: str
    known: bool
    recorded: bool


class Erasure:
    """Erases calls. Each step may be done again, so one that fails in the middle is repeated as a whole.

    Raises CallOpen, RedisUnavailable, RecordingUnavailable, and what the database raises.
    """

    def __init__(self, database: Database, deletion: Deletion, redis: Redis) -> None:
        self._database = database
        self._deletion = deletion
        self._redis = redis
        self._records = RecordStore(database)
        self._rooms = RoomStore(redis)

    async def erase(
        self, *, sid: str | None = None, number: str | None = None, tenant: str | None = None
    ) -> tuple[ErasedCall, ...]:
        """Erase the calls of a room, or of a caller's number. A call that still goes on has no number in a record.

        `tenant`: only calls that have a record of this tenant.
        """
        if sid is not None:
            await self._require_over(sid)
        erased = await self._records.erase(sid=sid, number=number, tenant=tenant)
        known = {call.sid: call.tenant for call in erased}
        sids = sorted(known.keys() if sid is None or tenant is not None else known.keys() | {sid})
        return tuple([ErasedCall(each, each in known, await self._erase_room(each, known.get(each))) for each in sids])

    async def _erase_room(self, sid: str, tenant: str | None) -> bool:
        recorded = await self._deletion.erase(sid)
        try:
            await self._erase_from_redis(sid, await self._entries(sid))
            if tenant is None and (room := await self._rooms.get(sid)) is not None:
                tenant = room.tenant
            if tenant:
                await erase_notices(self._redis, tenant, sid)
        except (RedisError, OSError) as error:
            raise RedisUnavailable(seconds="a few", error=type(error).__name__) from error
        return recorded

    async def _require_over(self, sid: str) -> None:
        try:
            room = await self._rooms.get(sid)
        except (RedisError, OSError) as error:
            raise RedisUnavailable(seconds="a few", error=type(error).__name__) from error
        if room is not None and room.state in OPEN:
            raise CallOpen(sid=sid)

    async def _entries(self, sid: str) -> list[str]:
        async with self._database.transaction() as connection:
            rows = [
                *await connection.execute(select(Call.entry).where(Call.sid == sid)),
                *await connection.execute(select(Attempt.entry).where(Attempt.sid == sid)),
            ]
        return [row.entry for row in rows if row.entry]

    async def _erase_from_redis(self, sid: str, entries: list[str]) -> None:
        letters = [letter.id for letter in await self._rooms.list_dead_letters(None) if letter.sid == sid]
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(keys.conversation(sid))
            # The rest of the room's hash goes within an hour. Until then a caller who comes back is answered.
            pipe.hdel(keys.room(sid), "number")
            if entries:
                pipe.xdel(keys.CALLS, *entries)
            if letters:
                pipe.xdel(keys.DEAD, *letters)
            await pipe.execute()
