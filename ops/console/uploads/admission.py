"""Whose an upload is, and what of it is to be kept."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from redis.exceptions import RedisError

from ops.console.uploads.errors import Malformed, NotRecorded, UnknownAttempt
from ops.recordings.store import Source
from tasks.errors import RedisUnavailable, UnknownTenant
from tasks.records import RecordStore
from tasks.rooms import RoomStore
from tasks.tenants import TenantReader

KNOWN_SECONDS = 5.0
"""The time for which an answer holds: spans of one attempt come every few seconds, and a tenant may change."""
MOST_KNOWN = 10_000
_JOB = re.compile(r"([A-Za-z0-9_-]{1,64}):([1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class Admitted:
    """An upload of an attempt of ours, of which these parts are kept."""

    source: Source
    parts: frozenset[str]


class Admission:
    """Admits uploads of calls of this installation, of tenants that have `record`."""

    def __init__(self, rooms: RoomStore, tenants: TenantReader, records: RecordStore) -> None:
        self._rooms = rooms
        self._tenants = tenants
        self._records = records
        self._known: dict[str, tuple[float, Admitted]] = {}

    async def admit(self, job: str, *, room: str | None = None) -> Admitted:
        """Return whose the upload of a job is. `room`: the sid that the upload names besides.

        Raises Malformed, UnknownAttempt, NotRecorded, RedisUnavailable, and what the database raises.
        """
        parsed = _JOB.fullmatch(job)
        if parsed is None or room not in {None, parsed[1]}:
            raise Malformed(problem="its job is not <sid>:<attempt> of its room")
        now = time.monotonic()
        known = self._known.get(job)
        if known is not None and known[0] > now:
            return known[1]
        admitted = await self._look_up(job, parsed[1], int(parsed[2]))
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[job] = (now + KNOWN_SECONDS, admitted)
        return admitted

    async def _look_up(self, job: str, sid: str, attempt: int) -> Admitted:
        try:
            room = await self._rooms.get(sid)
            tenant, attempts = (room.tenant, room.attempt) if room is not None else ("", 0)
            if room is None:
                # Redis has forgotten it an hour after its end. An upload that comes so late was held up.
                details = await self._records.get_call(sid)
                if details is not None:
                    tenant, attempts = details.call.tenant, details.call.attempt
            if attempt > attempts:
                raise UnknownAttempt(job=job)
            parts = (await self._tenants.get(tenant)).record
        except UnknownTenant:
            raise UnknownAttempt(job=job) from None
        except (RedisError, OSError) as error:
            raise RedisUnavailable(seconds="a few", error=type(error).__name__) from error
        if not parts:
            raise NotRecorded
        return Admitted(Source(tenant, sid, attempt), frozenset(parts))
