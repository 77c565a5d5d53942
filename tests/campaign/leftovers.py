"""What must be gone after a history: rooms, leases, permits, messages, processes, folders, records."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import aiohttp
import psutil
from livekit import api

from tasks.rooms import AttemptRecord, CallRecord, Room, State, keys
from tests.campaign.checker import Violation
from tests.campaign.installation import CampaignInstallation
from tests.campaign.tenants import TIERS
from tests.support.key_leaks import leaked_keys
from tests.support.waiting import until

OVER_SECONDS = 40.0
"""The time that all calls have to be over, from the last caller's leaving: an agent that has blocked, and hangs."""
CLEAN_SECONDS = 20.0
EVERY_SECONDS = 0.25
SETS = (keys.ROOMS, keys.QUEUED, keys.LEASES, keys.PERMITS, keys.WAITLIST, keys.ELIGIBLE, keys.UNANSWERED, keys.NOTIFY)
HASHES = ("unacked", "unacked_index")
ZOMBIE = psutil.STATUS_ZOMBIE
TOO_MANY_CONNECTIONS = 30
"""Connections above those at the begin: more means that each history leaves some."""
WORKER_PREFIX = "switchboard-worker-"
TOO_MANY_FILES = 60
"""Open files of a main process, above those at the begin: more means that each history leaves some."""


class Leftovers:
    """What an installation holds while it is idle, against which it is compared after each history."""

    def __init__(self, installation: CampaignInstallation, *, slack: float) -> None:
        self._installation = installation
        self._slack = slack
        self._record = "0-0"
        self._letter = "0-0"
        self._files: dict[int, int] = {}
        self._connections: int | None = None

    async def begin(self) -> None:
        """Note what is there before a history."""
        redis = self._installation.rooms.redis
        self._record = await _last(redis, keys.CALLS)
        self._letter = await _last(redis, keys.DEAD)
        if self._connections is None:
            self._connections = len(await redis.client_list())
        for part in self._parts():
            with suppress(psutil.Error):
                self._files.setdefault(part.pid, psutil.Process(part.pid).num_fds())

    async def violations(self, names: set[str]) -> list[Violation]:
        """Wait until all is gone, and return what is not. `names`: the rooms of the history."""
        found = [violation async for violation in self._calls_not_over()]
        sids = [room.sid for room in await self.rooms(names)]
        found += await self._delete_rooms(names)
        for check in (self._redis, self._processes, self._idle, self._temporary_files):
            found += await self._gone(check)
        rooms = await self.rooms(names)
        found += [violation async for violation in self._records(rooms, set(sids))]
        return found

    async def _calls_not_over(self) -> AsyncIterator[Violation]:
        try:
            await self._installation.all_calls_over(OVER_SECONDS * self._slack)
        except AssertionError as error:
            yield _left("rooms", str(error))

    async def _delete_rooms(self, names: set[str]) -> list[Violation]:
        """Delete the rooms on the server, which keeps them for a while. That must not begin anything."""
        server = self._installation.server
        async with api.LiveKitAPI(server.url, server.api_key, server.api_secret) as livekit:
            for room in (await livekit.room.list_rooms(api.ListRoomsRequest())).rooms:
                with suppress(api.TwirpError, aiohttp.ClientError):
                    await livekit.room.delete_room(api.DeleteRoomRequest(room=room.name))
            left = {room.name for room in (await livekit.room.list_rooms(api.ListRoomsRequest())).rooms}
        return [_left(name, "on the LiveKit server") for name in left & names]

    async def _gone(self, check: Callable[[], Awaitable[list[Violation]]]) -> list[Violation]:
        found: list[Violation] = []

        async def gone() -> bool:
            nonlocal found
            found = await check()
            return not found

        with suppress(TimeoutError):
            await until(gone, CLEAN_SECONDS * self._slack, every=EVERY_SECONDS)
        return found

    async def _redis(self) -> list[Violation]:
        redis: Any = self._installation.rooms.redis
        sets = [(key, await redis.zrange(key, 0, -1)) for key in SETS]
        queues = [(queue, await redis.llen(queue)) for queue in TIERS]
        connections = len(await redis.client_list())
        before = connections if self._connections is None else self._connections
        kept = [key async for key in redis.scan_iter(f"{keys.CONVERSATION_PREFIX}*")]
        return [
            *(_left(key, str(members)) for key, members in sets if members),
            *(_left(queue, f"{length} messages") for queue, length in queues if length),
            *[_left(key, "unacknowledged messages") for key in HASHES if await redis.exists(key)],
            *(_left(key, "has no TTL") for key in await leaked_keys(redis)),
            *(_left(key, "a conversation") for key in kept),
            *_more("Redis", "connections", connections, before, TOO_MANY_CONNECTIONS),
        ]

    async def _processes(self) -> list[Violation]:
        """Return zombies, processes that children have started, orphans, and main processes with too many files."""
        return await asyncio.to_thread(self._processes_now)

    def _processes_now(self) -> list[Violation]:
        found = []
        for worker in self._installation.workers:
            try:
                main = psutil.Process(worker.pid)
                children = main.children()
                grandchildren = [each for child in children for each in child.children(recursive=True)]
                zombies = [child.pid for child in children if child.status() == ZOMBIE]
                files = main.num_fds()
            except psutil.Error:
                found.append(_left(worker.name, "a process has just ended, or the worker is down"))
                continue
            if zombies:
                found.append(_left(worker.name, f"zombies {zombies}"))
            if grandchildren:
                found.append(_left(worker.name, f"processes of calls: {list(map(_command, grandchildren))}"))
            before = self._files.get(worker.pid, files)
            found += _more(worker.name, "open files", files, before, TOO_MANY_FILES)
        found += [
            _left("orphans", _command(orphan))
            for orphan in psutil.process_iter()
            if _is_orphan(orphan, str(self._installation.folder))
        ]
        return found

    async def _idle(self) -> list[Violation]:
        now = {worker.pid for worker in self._installation.workers}
        statuses = [status for status in await self._installation.rooms.list_workers() if status.pid in now]
        found = [
            _left(status.node, f"{status.busy} calls, {status.idle} spares, {status.state}")
            for status in statuses
            if status.busy or not status.idle or status.state != "open"
        ]
        silent = now - {status.pid for status in statuses}
        return [*found, *(_left(str(pid), "a worker without a heartbeat") for pid in silent)]

    async def _temporary_files(self) -> list[Violation]:
        """Return what is in the temporary folder besides a folder for each worker."""
        there = await asyncio.to_thread(lambda: sorted(self._installation.temporary.iterdir()))
        workers = [path for path in there if path.name.startswith(WORKER_PREFIX)]
        others = [path for path in there if path not in workers]
        surplus = workers if len(workers) > len(self._installation.workers) else []
        return [_left(str(path), "in the temporary folder") for path in [*others, *surplus]]

    async def rooms(self, names: set[str]) -> list[Room]:
        """Return the rooms with these names that Redis has."""
        redis = self._installation.rooms.redis
        sids = [key.removeprefix(keys.ROOM_PREFIX) async for key in redis.scan_iter(f"{keys.ROOM_PREFIX}*")]
        return [room for room in await self._installation.get_rooms(sids) if room.name in names]

    async def _records(self, rooms: list[Room], before: set[str]) -> AsyncIterator[Violation]:
        redis: Any = self._installation.rooms.redis
        entries = await redis.xrange(keys.CALLS, min=f"({self._record}")
        records = [CallRecord.read(entry, fields) for entry, fields in entries if fields["kind"] == "call"]
        attempts = [AttemptRecord.read(entry, fields) for entry, fields in entries if fields["kind"] == "attempt"]
        letters = Counter(fields["sid"] for _, fields in await redis.xrange(keys.DEAD, min=f"({self._letter}"))
        for violation in _miscounted(records, attempts):
            yield violation
        recorded = {record.sid for record in records}
        for room in rooms:
            if room.sid not in before:
                yield _left(room.sid, "opened when its room was deleted")
            if room.state.is_open:
                yield _left(room.sid, f"is {room.state}")
            if room.state is State.ENDED and "claimed" in room.steps_ms and room.sid not in recorded:
                yield _left(room.sid, "has ended without a record")
            if room.state is State.DEAD and not letters[room.sid]:
                yield _left(room.sid, "is dead without a letter")

    def _parts(self) -> list[Any]:
        return [*self._installation.workers, *self._installation.stack.receivers]


def _of_call(record: AttemptRecord | CallRecord) -> tuple[str, int | None]:
    """Return what the records of one call have in common."""
    return record.sid, record.steps_ms.get("opened")


def _miscounted(records: list[CallRecord], attempts: list[AttemptRecord]) -> Iterator[Violation]:
    """Return the calls and attempts that have not exactly one record."""
    for (sid, attempt), count in Counter((record.sid, record.attempt) for record in attempts).items():
        if count > 1:
            yield _left(sid, f"{count} records of attempt {attempt}")
    for (sid, opened), count in Counter(map(_of_call, records)).items():
        if count > 1:
            yield _left(sid, f"{count} records of the call opened at {opened}")
    for record in records:
        found = sum(_of_call(attempt) == _of_call(record) for attempt in attempts)
        if found != record.attempts:
            yield _left(record.sid, f"{found} records of {record.attempts} attempts")


async def _last(redis: Any, stream: str) -> str:
    newest = await redis.xrevrange(stream, count=1)
    return str(newest[0][0]) if newest else "0-0"


def _left(subject: str, text: str) -> Violation:
    return Violation("left over", subject, text)


def _more(subject: str, what: str, now: int, before: int, allowed: int) -> list[Violation]:
    return [_left(subject, f"{now} {what}, {before} at the begin")] if now > before + allowed else []


def _command(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:120]}"
    except psutil.Error:
        return f"{process.pid}"


def _is_orphan(process: psutil.Process, folder: str) -> bool:
    """Return whether a process of this installation has lost its parent: an agent has started it, or a worker."""
    try:
        return process.ppid() == 1 and process.environ().get("CAMPAIGN_FOLDER") == folder
    except psutil.Error:
        return False


def clear(installation: CampaignInstallation) -> None:
    """Remove the notes of the agents of a history."""
    for path in installation.folder.iterdir():
        path.unlink()
