"""Running calls whose agent is not in its room, although a caller is.

The lease says that host and process of an agent live, and nothing of its place in the room: a host that is cut off from
the LiveKit server alone renews its leases. So the reconciler looks from outside. What it sees twice, some seconds
apart, is a fault like any other: the room is requeued for its next attempt. The older agent learns it from its next
renewal, and leaves if it comes back.

One look costs a request. The list of rooms says where to look first: the server counts people as participants, and
agents only as publishers, so a room with more publishers than participants has an agent that publishes. Of these rooms
a small share is looked at in each sweep.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from livekit.protocol import models

from tasks.livekit_api import LiveKitClient, LiveKitError, is_caller
from tasks.queue.requeue import requeue_call
from tasks.reconcile.failures import Failures, for_each
from tasks.rooms import LossCause, RequeueResult, Room, RoomStore, State

SWEEP = "absent agents"

logger = logging.getLogger("switchboard.tasks.reconcile")


@dataclass(frozen=True, slots=True)
class AbsentAgentsConfig:
    """Tolerance and bounds of one sweep."""

    absent_seconds: float = 6.0
    """Time between the two looks. The server's list may be late by seconds, and an agent may be reconnecting."""
    doubtful: int = 30
    """Most rooms without an agent among their publishers that are looked at in a sweep."""
    others: int = 10
    """Most other rooms that are looked at in a sweep, …"""
    round_sweeps: int = 20
    """… and the sweeps in which all of them have their turn, if they are few enough."""
    concurrency: int = 8
    """Rooms that are looked at at the same time."""
    replaced: int = 3
    """Agents of one call that are replaced without counting as failed attempts. More are the agent's own fault."""


DEFAULTS = AbsentAgentsConfig()


@dataclass(frozen=True, slots=True)
class _Absence:
    attempt: int
    claimant: str
    since: float


def agent_identity(sid: str, attempt: int) -> str:
    """Return the identity of an attempt's agent, as `pipeline.options` spells it, which a receiver must not import."""
    return f"agent-{sid}-{attempt}"


class AbsentAgents:
    """The calls whose agent was not in its room when it was last looked for."""

    def __init__(
        self, rooms: RoomStore, max_attempts: int, failures: Failures, config: AbsentAgentsConfig = DEFAULTS
    ) -> None:
        self._rooms = rooms
        self._max_attempts = max_attempts
        self._failures = failures
        self._config = config
        self._absent: dict[str, _Absence] = {}
        self._replaced: Counter[str] = Counter()
        self._requeued = 0
        self._last_doubtful = ""
        self._last_other = ""

    @property
    def suspects(self) -> bool:
        """True while a call waits for its second look."""
        return bool(self._absent)

    async def replace(self, livekit: LiveKitClient, listed: Collection[models.Room]) -> int:
        """Look at some running calls in this list, and requeue those whose agent has been absent.

        Returns how many were requeued. Raises what Redis raises, and LiveKitUnreachable.
        """
        running = await self._rooms.list_running()
        calls = {room.sid: room for room in listed if room.sid in running}
        self._absent = {sid: absence for sid, absence in self._absent.items() if sid in calls}
        existing = {room.sid for room in listed}
        self._replaced = Counter({sid: number for sid, number in self._replaced.items() if sid in existing})
        before = self._requeued
        chosen = self._choose(calls.values())
        looks = await for_each(chosen, lambda room: self._look(livekit, room), concurrency=self._config.concurrency)
        suspected = [room for room in looks if room is not None]
        # All at once: the server waits for an answer of one that is absent for 3 s.
        await for_each(suspected, lambda room: self._suspect(livekit, room), concurrency=len(suspected) or 1)
        return self._requeued - before

    def _choose(self, calls: Iterable[models.Room]) -> list[models.Room]:
        waiting = [room for room in calls if room.sid in self._absent]
        rest = sorted((room for room in calls if room.sid not in self._absent), key=lambda room: room.sid)
        doubtful: list[models.Room] = []
        others: list[models.Room] = []
        for room in rest:
            # One without people has its turn among the others, in case the server has counted wrongly.
            is_doubtful = room.num_participants > 0 and room.num_publishers <= room.num_participants
            (doubtful if is_doubtful else others).append(room)
        first = _next(doubtful, self._last_doubtful, self._config.doubtful)
        share = min(self._config.others, math.ceil(len(others) / self._config.round_sweeps))
        then = _next(others, self._last_other, share)
        self._last_doubtful = first[-1].sid if first else ""
        self._last_other = then[-1].sid if then else ""
        return waiting + first + then

    async def _look(self, livekit: LiveKitClient, listed: models.Room) -> Room | None:
        """Look at one call. Returns it if its agent is absent for the first time."""
        with self._failures.of_room(SWEEP, listed.sid):
            room = await self._rooms.get(listed.sid)
            # An agent that is still on its way has a deadline of its own, in its child.
            joined = room is not None and room.state is State.RUNNING and "joined" in room.steps_ms
            if room is None or not joined or await self._is_right(livekit, listed.name, room):
                self._absent.pop(listed.sid, None)
                return None
            absence = self._absent.get(listed.sid)
            if absence is None or (absence.attempt, absence.claimant) != (room.attempt, room.claimant):
                return room
            if time.monotonic() - absence.since >= self._config.absent_seconds:
                del self._absent[listed.sid]
                await self._requeue(room)
        return None

    async def _is_right(self, livekit: LiveKitClient, name: str, room: Room) -> bool:
        """Return whether the agent is in the room, or no caller is."""
        participants = await livekit.list_participants(name)
        agent = agent_identity(room.sid, room.attempt)
        return any(each.identity == agent for each in participants) or not any(map(is_caller, participants))

    async def _suspect(self, livekit: LiveKitClient, room: Room) -> None:
        """Begin the time until the second look, unless the agent's own node says that it is there after all."""
        began = time.monotonic()
        with self._failures.of_room(SWEEP, room.sid):
            try:
                connected = await livekit.is_connected(room.name, agent_identity(room.sid, room.attempt))
            except LiveKitError as error:
                logger.warning("agent not looked for", extra={"sid": room.sid, "problem": str(error)})
                return
            if not connected:
                self._absent[room.sid] = _Absence(room.attempt, room.claimant, began)

    async def _requeue(self, room: Room) -> None:
        self._replaced[room.sid] += 1
        counted = self._replaced[room.sid] > self._config.replaced
        result = await requeue_call(
            room,
            self._rooms,
            self._max_attempts,
            reason="a caller was in the room and its agent was not",
            cause=LossCause.FAILED if counted else LossCause.AGENT_ABSENT,
        )
        if result is RequeueResult.REQUEUED:
            self._requeued += 1
            fields = {"sid": room.sid, "attempt": room.attempt, "worker": room.worker}
            logger.warning("agent absent from its room; another one is on its way", extra=fields)


def _next(rooms: Sequence[models.Room], last: str, most: int) -> list[models.Room]:
    """Return the next rooms in the order of their sids, after the last one, and then from the beginning."""
    after = [room for room in rooms if room.sid > last]
    return [*after, *(room for room in rooms if room.sid <= last)][:most]
