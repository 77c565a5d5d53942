"""The erasure of a call: all that was said in it, and who has called.

    database        number and room's name, transcript, spans, log lines, summary
    object store    audio
    Redis           the conversation, the number, the room's dead letters, its notices to the tenant's backend, and the
                    records that the database has, too

The bare record stays, with its times and its usage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis.exceptions import RedisError
from sqlalchemy import select

from ops.recordings.deletion import Deletion
from tasks.background.notices.erasure import erase_notices
from tasks.errors import RedisUnavailable, SwitchboardError
from tasks.records import Database
from tasks.records.erasure import Eraser, RecordErasure
from tasks.records.models import Attempt, Call
from tasks.rooms import Room, RoomStore, State, keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

OPEN = frozenset({State.WAITING, State.QUEUED, State.RUNNING})


class CallNotOver(SwitchboardError):
    """A call that something would still be kept of after its erasure."""

    retryable = True


class CallOpen(CallNotOver):
    """The call {sid} is still going on, and would be recorded again. Erase it when it is over."""


class RecordNotWritten(CallNotOver):
    """The record of the call {sid} is not written yet, and would bring its number back. Erase it in a moment.

    `switchboard records` writes it.
    """


@dataclass(frozen=True, slots=True)
class ErasedCall:
    """An erased room. `recorded`: something was recorded of it."""

    sid: str
    recorded: bool


class Erasure:
    """Erases calls. Each step may be done again, so one that fails in the middle is repeated as a whole.

    Raises CallOpen, RecordNotWritten, RedisUnavailable, RecordingUnavailable, and what the database raises.
    """

    def __init__(self, database: Database, deletion: Deletion, redis: Redis) -> None:
        self._database = database
        self._deletion = deletion
        self._redis = redis
        self._records = RecordErasure(database)
        self._rooms = RoomStore(redis)

    async def find(self, number: str) -> list[str]:
        """Return the sids of a caller's calls that are not erased, or not wholly.

        A call has its number in a record from the end of its first attempt on.
        """
        return await self._records.find(number)

    async def erase(self, sid: str, eraser: Eraser, *, tenant: str | None = None) -> ErasedCall | None:
        """Erase the calls of a room. Returns None if nothing is known of it.

        `tenant`: only calls that have a record of this tenant.
        """
        with _translated():
            room = await self._rooms.get(sid)
            letters = [letter for letter in await self._rooms.list_dead_letters(None) if letter.sid == sid]
        if room is not None:
            await self._require_over(room)
        kept = [each.tenant for each in (room, *letters) if each is not None]
        unrecorded = kept[0] if kept and tenant is None else None
        owner = await self._records.begin(sid, eraser, tenant=tenant, unrecorded=unrecorded)
        if owner is None:
            return None
        recorded = await self._deletion.erase(sid)
        entries = await self._entries(sid)
        with _translated():
            await self._erase_from_redis(sid, entries, [letter.id for letter in letters])
            if owner:
                await erase_notices(self._redis, owner, sid)
        await self._records.finish(sid)
        return ErasedCall(sid, recorded)

    async def _require_over(self, room: Room) -> None:
        if room.state in OPEN:
            raise CallOpen(sid=room.sid)
        if room.opened_ms and not await self._records.is_written(room.sid, room.opened_ms):
            raise RecordNotWritten(sid=room.sid)

    async def _entries(self, sid: str) -> list[str]:
        async with self._database.transaction() as connection:
            rows = [
                *await connection.execute(select(Call.entry).where(Call.sid == sid)),
                *await connection.execute(select(Attempt.entry).where(Attempt.sid == sid)),
            ]
        return [row.entry for row in rows if row.entry]

    async def _erase_from_redis(self, sid: str, entries: list[str], letters: list[str]) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(keys.conversation(sid))
            # The rest of the room's hash goes within an hour. Until then a caller who comes back is answered.
            pipe.hdel(keys.room(sid), "number")
            if entries:
                pipe.xdel(keys.CALLS, *entries)
            if letters:
                pipe.xdel(keys.DEAD, *letters)
            await pipe.execute()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise RedisUnavailable(seconds="a few", error=type(error).__name__) from error
