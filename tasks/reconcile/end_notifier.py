"""Notification of callers whose wait or whose call is over, and the end of rooms that nobody answers any more.

A room that a limit of ours or an operator has ended, or that could not be answered, leaves its callers alone: on the
telephone on a silent line that is paid for. They can read that it has ended, and a public reason, never the internal
one; after some seconds the room is deleted, which hangs up. A room without callers is left: a caller who joins it is
notified then. One that its agent has ended belongs to the people in it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tasks.livekit_api import LiveKitClient, LiveKitRequestFailed
from tasks.reconcile.caller_attributes import Notified, complete, set_attributes
from tasks.reconcile.failures import Failures, for_each
from tasks.rooms import EndedBy, PublicReason, Room, RoomStore, State
from tasks.settings import AfterLimit, CallSettings, LivekitSettings

SWEEP = "callers at the end"

logger = logging.getLogger("switchboard.tasks.reconcile")


@dataclass(frozen=True, slots=True)
class EndNotifierConfig:
    """Bounds of one sweep."""

    read: int = 300
    """Most rooms that are read from Redis, the oldest first."""
    notified: int = 30
    """Most rooms whose callers are notified in a sweep."""
    concurrency: int = 8
    """Rooms that are notified at the same time."""
    tries: int = 5
    """Tries at a room about which the LiveKit server answers with errors. Then it is left, and blocks no other."""


DEFAULTS = EndNotifierConfig()


class EndNotifier:
    """Notifies callers of the end, gives them time to read it, and deletes the room."""

    def __init__(
        self, rooms: RoomStore, livekit: LivekitSettings, calls: CallSettings, config: EndNotifierConfig = DEFAULTS
    ) -> None:
        self._rooms = rooms
        self._livekit = livekit
        self._calls = calls
        self._config = config
        self._failures = Failures()
        self._notified_at: dict[str, float] = {}
        self._tries: dict[str, int] = {}
        self._since_ms: dict[str, int] = {}

    async def sweep(self) -> None:
        """Notify the next rooms, and delete those whose time is over. Raises what Redis raises, LiveKitUnreachable."""
        self._since_ms = sids = await self._rooms.waitlist.to_notify(self._config.read)
        self._notified_at = {sid: at for sid, at in self._notified_at.items() if sid in sids}
        self._tries = {sid: number for sid, number in self._tries.items() if sid in sids}
        now = time.monotonic()
        due = {sid for sid, at in self._notified_at.items() if now - at >= self._calls.notice_seconds}
        # Those that have been notified too, for callers who have joined since. They get the same time to read it.
        notify = sorted((sid for sid in sids if sid not in due), key=lambda sid: sid in self._notified_at)
        if not notify and not due:
            return
        async with LiveKitClient.from_settings(self._livekit) as livekit:
            await self._for_each(notify[: self._config.notified], lambda sid: self._notify(livekit, sid))
            await self._for_each([sid for sid in sids if sid in due], lambda sid: self._end(livekit, sid))

    async def _for_each(self, sids: list[str], action: Callable[[str], Awaitable[None]]) -> None:
        async def isolated(sid: str) -> None:
            self._tries[sid] = self._tries.get(sid, 0) + 1
            with self._failures.of_room(SWEEP, sid):
                await action(sid)
                del self._tries[sid]
            if self._tries.get(sid, 0) >= self._config.tries:
                await self._forget(sid)

        await for_each(sids, isolated, concurrency=self._config.concurrency)

    async def _notify(self, livekit: LiveKitClient, sid: str) -> None:
        room = await self._rooms.get(sid)
        if room is not None and _is_ended_by_us(room):
            callers = await _tell(livekit, room)
            # An operator who ends a call does not mean to leave its callers there.
            if callers.present and (self._calls.after_limit is AfterLimit.DELETE or room.ended_by == EndedBy.OPERATOR):
                self._note(sid, callers)
                return
        elif room is not None and room.state is State.RUNNING:
            await set_attributes(livekit, room.name, complete(state=State.RUNNING))
        await self._forget(sid)

    async def _end(self, livekit: LiveKitClient, sid: str) -> None:
        """Delete the room, unless it was opened again meanwhile, or its name belongs to another room by now."""
        room = await self._rooms.get(sid)
        if room is not None and _is_ended_by_us(room):
            try:
                # Since the last sweep, which may be long ago, as Redis was away.
                callers = await _tell(livekit, room)
                if callers.newly:
                    self._note(sid, callers)
                    return
                if any(listed.sid == sid for listed in await livekit.list_rooms(room.name)):
                    await livekit.delete_room(room.name)
            except LiveKitRequestFailed as error:
                if not error.not_found:
                    raise
        await self._forget(sid)

    def _note(self, sid: str, callers: Notified) -> None:
        if callers.newly or sid not in self._notified_at:
            self._notified_at[sid] = time.monotonic()

    async def _forget(self, sid: str) -> None:
        self._notified_at.pop(sid, None)
        await self._rooms.waitlist.notified(sid, self._since_ms[sid])


async def _tell(livekit: LiveKitClient, room: Room) -> Notified:
    reason = room.public_reason or PublicReason.ENDED
    return await set_attributes(livekit, room.name, complete(state=State.ENDED, reason=reason))


def _is_ended_by_us(room: Room) -> bool:
    return room.state is State.DEAD or (
        room.state is State.ENDED and room.ended_by in {EndedBy.LIMIT, EndedBy.OPERATOR}
    )
