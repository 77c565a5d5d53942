"""Notification of waiting callers: they can read their position and the estimated wait."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tasks.livekit_api import LiveKitClient, LiveKitUnreachable
from tasks.reconcile.caller_attributes import complete, set_attributes
from tasks.reconcile.failures import Failures, for_each
from tasks.reconcile.wait_estimate import WaitEstimate
from tasks.rooms import RoomStore, Wait
from tasks.settings import LivekitSettings, TierSettings

SWEEP = "waiting callers"

logger = logging.getLogger("switchboard.tasks.reconcile")


@dataclass(frozen=True, slots=True)
class WaitNotifierConfig:
    """Pace and bounds of one sweep."""

    settled_ms: int = 1000
    """A room that has waited for less is skipped. Most are claimed sooner, and so cost no request."""
    scanned: int = 200
    """Most waiting rooms that are read from Redis in a sweep."""
    notified: int = 30
    """Most rooms whose callers are notified in a sweep."""
    concurrency: int = 8
    """Rooms that are notified at the same time."""
    budget_seconds: float = 0.8
    """Time for the requests of a sweep."""
    repeat_seconds: float = 15.0
    """A room is notified again after this time, for callers who have joined since."""


DEFAULTS = WaitNotifierConfig()


@dataclass(frozen=True, slots=True)
class _Notified:
    attributes: Mapping[str, str]
    at: float


class WaitNotifier:
    """Sets the attributes of waiting callers when they have changed. Each caller gets those of its own room only."""

    def __init__(
        self,
        rooms: RoomStore,
        livekit: LivekitSettings,
        tiers: TierSettings,
        config: WaitNotifierConfig = DEFAULTS,
    ) -> None:
        self._rooms = rooms
        self._livekit = livekit
        self._tiers = tiers
        self._config = config
        self._estimate = WaitEstimate()
        self._failures = Failures()
        self._notified: dict[str, _Notified] = {}
        self._scanned: set[str] = set()
        self._cursor = ""

    async def sweep(self) -> None:
        """Notify the next rooms. A LiveKit server that is away is logged. Raises what Redis raises."""
        waits = await self._changed()
        if not waits:
            return
        async with LiveKitClient.from_settings(self._livekit) as livekit:
            try:
                async with asyncio.timeout(self._config.budget_seconds):
                    await self._notify_waiting(livekit, waits)
            except (LiveKitUnreachable, TimeoutError) as error:
                problem = str(error) or "out of time"
                logger.warning("waiting callers not notified", extra={"problem": problem})

    async def _changed(self) -> list[tuple[Wait, dict[str, str]]]:
        """Scan the next waiting rooms, and return those with changed attributes, the longest not notified first."""
        self._cursor, waits = await self._rooms.waitlist.list_waits(
            self._cursor, self._config.scanned, waited_ms=self._config.settled_ms
        )
        if waits:
            await self._estimate.refresh(self._rooms, waits)
        self._scanned.update(wait.sid for wait in waits)
        if not self._cursor:
            # The scan is complete: a room that was not in it does not wait any more.
            self._notified = {sid: last for sid, last in self._notified.items() if sid in self._scanned}
            self._scanned.clear()
        now = time.monotonic()
        never = _Notified({}, float("-inf"))
        changed = []
        for wait in waits:
            last = self._notified.get(wait.sid, never)
            attributes = self._attributes(wait)
            if attributes != last.attributes or now - last.at >= self._config.repeat_seconds:
                changed.append((last.at, wait, attributes))
        changed.sort(key=lambda each: each[0])
        return [(wait, attributes) for _, wait, attributes in changed[: self._config.notified]]

    def _attributes(self, wait: Wait) -> dict[str, str]:
        seconds = self._estimate.wait_seconds(wait)
        longest = self._tiers.max_wait_seconds.get(wait.tier)
        overdue = longest is not None and wait.waited_ms > longest * 1000
        return complete(
            state=wait.state,
            position=str(wait.position),
            wait_seconds="" if seconds is None else str(seconds),
            overdue="true" if overdue else "",
        )

    async def _notify_waiting(self, livekit: LiveKitClient, waits: list[tuple[Wait, dict[str, str]]]) -> None:
        sids = [wait.sid for wait, _ in waits]
        still_waiting = set(await self._rooms.waitlist.mark_notified(sids)) if sids else set()

        async def notify(wait_and_attributes: tuple[Wait, dict[str, str]]) -> None:
            wait, attributes = wait_and_attributes
            with self._failures.of_room(SWEEP, wait.sid):
                await set_attributes(livekit, wait.name, attributes)
            self._notified[wait.sid] = _Notified(attributes, time.monotonic())

        pending = [(wait, attributes) for wait, attributes in waits if wait.sid in still_waiting]
        await for_each(pending, notify, concurrency=self._config.concurrency)
