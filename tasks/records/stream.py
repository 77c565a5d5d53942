"""The stream of records in Redis, read by a group of writers: each entry by one of them, until it says that it is done.

The group is made by the first writer, from the beginning of the stream. The stream is capped, so entries that nobody
has read in time are gone; that is noticed, and said.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from tasks.redis_client import LivenessKey
from tasks.rooms import keys

BATCH = 200
"""Entries that are read at once."""
BLOCK_MS = 1000
"""The time that Redis keeps a request for entries open; below the client's timeout."""
IDLE_MS = 30_000
"""The time after which the entries of a writer that has not written them are given to another one."""
GONE_MS = 3600 * 1000
"""The time after which a writer that has read nothing more, and has nothing unwritten, is forgotten."""

logger = logging.getLogger("switchboard.tasks.records")


class Entry(NamedTuple):
    """An entry of the stream."""

    id: str
    fields: dict[str, str]


class RecordStream:
    """The stream, for one writer of the group. The client must decode responses, and replace what it cannot decode.

    Every method raises `redis.RedisError` or `OSError` when Redis is away. `writer`: a name that no other process has.
    """

    def __init__(self, redis: Redis, writer: str) -> None:
        self._redis = cast("Any", redis)
        self._writer = writer
        # Redis knows a member of a group only once it was given an entry.
        self.liveness = LivenessKey(redis, keys.RECORD_WRITER, writer, expire_ms=keys.RECORD_WRITER_MS)
        self._cursor = "0-0"

    async def create_group(self) -> None:
        """Create the group, which has read nothing yet, unless it is there."""
        try:
            await self._redis.xgroup_create(keys.CALLS, keys.RECORD_WRITERS, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def read_new(self) -> list[Entry]:
        """Return entries that no writer has read yet; waits a second for some."""
        async with self._redis.pipeline(transaction=True) as pipe:
            # In one transaction: nothing is trimmed between the question what is there and the reading of it.
            pipe.xinfo_groups(keys.CALLS)
            pipe.xrange(keys.CALLS, count=1)
            pipe.xreadgroup(keys.RECORD_WRITERS, self._writer, {keys.CALLS: ">"}, count=BATCH)
            groups, first, answer = await pipe.execute()
        if entries := _entries(answer):
            await self._report_gap(groups, first)
            return entries
        # All is read, so nothing can have been trimmed unread.
        answer = await self._redis.xreadgroup(
            keys.RECORD_WRITERS, self._writer, {keys.CALLS: ">"}, count=BATCH, block=BLOCK_MS
        )
        return _entries(answer)

    async def claim_left(self) -> list[Entry]:
        """Return entries that another writer has read and not written; it may have died."""
        answer = await self._redis.xautoclaim(
            keys.CALLS, keys.RECORD_WRITERS, self._writer, IDLE_MS, self._cursor, count=BATCH
        )
        self._cursor = answer[0]
        # Of what is trimmed Redis 7 gives the ids apart, and forgets them; Redis 6 gives nothing in their place.
        gone = [str(entry) for entry in answer[2]] if len(answer) > 2 else []  # noqa: PLR2004
        entries = [Entry(entry, fields) for entry, fields in answer[1] if entry is not None and fields is not None]
        nameless = len(answer[1]) - len(entries)
        if nameless:
            gone += await self._forget_trimmed({entry.id for entry in entries})
        if gone:
            fields = {"number": len(gone), "first": min(gone, key=order)}
            logger.error("records are lost: entries were trimmed before they were written", extra=fields)
            await self._redis.hincrby(keys.COUNTERS, keys.RECORDS_LOST, len(gone))
        return entries

    async def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Say that these entries are written."""
        if entries:
            await self._redis.xack(keys.CALLS, keys.RECORD_WRITERS, *(entry.id for entry in entries))

    async def count_rejected(self, number: int) -> None:
        """Count entries that were kept aside, for metrics."""
        await self._redis.hincrby(keys.COUNTERS, keys.RECORDS_REJECTED, number)

    async def forget_writers(self) -> None:
        """Forget writers that are gone for long. One with unwritten entries is not: they would be forgotten with it."""
        for consumer in await self._redis.xinfo_consumers(keys.CALLS, keys.RECORD_WRITERS):
            if consumer["pending"] == 0 and consumer["idle"] > GONE_MS and consumer["name"] != self._writer:
                await self._redis.xgroup_delconsumer(keys.CALLS, keys.RECORD_WRITERS, consumer["name"])

    async def leave(self) -> None:
        """Forget this writer, unless it has unwritten entries."""
        for consumer in await self._redis.xinfo_consumers(keys.CALLS, keys.RECORD_WRITERS):
            if consumer["name"] == self._writer and consumer["pending"] == 0:
                await self._redis.xgroup_delconsumer(keys.CALLS, keys.RECORD_WRITERS, self._writer)

    async def _report_gap(self, groups: Sequence[Mapping[str, Any]], first: Sequence[Any]) -> None:
        last_read = next(group["last-delivered-id"] for group in groups if group["name"] == keys.RECORD_WRITERS)
        if first and last_read != "0-0" and order(last_read) < order(first[0][0]):
            # The entry that was read last is trimmed, and so are those that came after it, if any did. Redis does not
            # count them; the ids are the times between which records may be missing.
            fields = {"after": last_read, "before": first[0][0]}
            logger.error("records may be lost: entries were trimmed before they were read", extra=fields)
            await self._redis.hincrby(keys.COUNTERS, keys.RECORDS_LOST, 1)

    async def _forget_trimmed(self, there: set[str]) -> list[str]:
        """Acknowledge claimed entries that are no longer in the stream, and return their ids."""
        pending = await self._redis.xpending_range(
            keys.CALLS, keys.RECORD_WRITERS, "-", "+", BATCH, consumername=self._writer
        )
        ids = [entry["message_id"] for entry in pending if entry["message_id"] not in there]
        gone = [entry for entry in ids if not await self._redis.xrange(keys.CALLS, entry, entry)]
        if gone:
            await self._redis.xack(keys.CALLS, keys.RECORD_WRITERS, *gone)
        return gone


def order(entry: str) -> tuple[int, int]:
    """Return the order of an entry among those of its stream."""
    ms, _, number = entry.partition("-")
    return int(ms), int(number or 0)


def _entries(answer: Any) -> list[Entry]:
    streams = answer.values() if isinstance(answer, dict) else [entries for _, entries in answer or ()]
    return [Entry(entry, fields) for entries in streams for entry, fields in entries]


def says_no_group(error: RedisError) -> bool:
    """Return whether the group is missing: the first writer has not come yet, or Redis has lost everything."""
    return "NOGROUP" in str(error) or "no such key" in str(error)
