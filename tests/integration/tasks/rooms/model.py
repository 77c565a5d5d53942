"""What the Lua scripts promise, once more in Python and without Redis: what each action answers, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from tasks.rooms import Closed, Found, Lease, Limits, Losing, Lost, Refusal, State
from tests.integration.tasks.rooms.admission_model import TENANTS, AdmissionModel

Message = tuple[str, int]
"""A task: the room's sid, and the attempt."""


@dataclass
class RoomModel:
    """One room. `waited`: its task was seen in a queue so long ago that it may be looked for.

    `told`: its callers know that they wait. `arrived`: in which order rooms began to wait for an answer.
    """

    sid: str
    tenant: str
    state: State | None = None
    attempt: int = 0
    uncounted: int = 0
    claimant: str = ""
    closing: bool = False
    expired: bool = False
    waited: bool = False
    conversation: bool = False
    told: bool = False
    arrived: int = 0

    @property
    def open(self) -> bool:
        return self.state is not None and self.state.is_open

    def runs(self, attempt: int) -> bool:
        return self.state is State.RUNNING and self.attempt == attempt

    def waits(self, attempt: int) -> bool:
        return self.state is State.QUEUED and self.attempt == attempt

    @property
    def over(self) -> bool:
        return self.state is not None and not self.state.is_open

    def becomes(self, state: State) -> None:
        """It is over."""
        self.state, self.conversation, self.waited, self.told = state, False, False, False


@dataclass
class Model:
    """All rooms. `queue`: as in Redis, taken from its end. `records` and `letters`: of which room's which attempt.

    `to_tell`: rooms whose callers were told that they wait, and that do no more.
    """

    rooms: dict[str, RoomModel] = field(default_factory=dict)
    queue: list[Message] = field(default_factory=list)
    records: list[Message] = field(default_factory=list)
    letters: list[Message] = field(default_factory=list)
    to_tell: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.admission = AdmissionModel(self._enter)
        self._arrivals = count(1)

    def _enter(self, sid: str) -> None:
        room = self.rooms[sid]
        room.state = State.QUEUED
        self.queue.insert(0, (sid, room.attempt))

    def end_room(self, room: RoomModel, state: State) -> None:
        room.becomes(state)
        self.admission.leave(room.sid, room.tenant)

    def open(
        self, room: RoomModel, attempt: int, *, replay: bool, after_its_end: bool, limits: Limits | None = None
    ) -> Found:
        replayed = room.state is State.DEAD and replay
        back = room.state is State.ENDED and after_its_end
        if room.state is not None and not replayed and not back:
            return Found.KNOWN
        if attempt != room.attempt + 1:
            return Found.AHEAD
        again = RoomModel(room.sid, room.tenant, State.WAITING, attempt, uncounted=attempt - 1)
        again.arrived = next(self._arrivals)
        self.rooms[room.sid] = again
        limits = limits or Limits()
        self.admission.caps |= {room.tenant: limits.tenant, TENANTS[room.tenant]: limits.tier}
        self.admission.most_unclaimed = limits.unclaimed
        self.admission.arrive(room.sid, room.tenant)
        return Found.HELD if again.state is State.WAITING else Found.OPENED

    def put_back(self, room: RoomModel, attempt: int) -> bool:
        if room.waits(attempt):
            self.queue.append((room.sid, attempt))
        return room.waits(attempt)

    def claim(self, room: RoomModel, attempt: int, claimant: str) -> Refusal | None:
        if room.state is None:
            return Refusal.UNKNOWN
        if attempt != room.attempt or not room.attempt:
            return Refusal.STALE
        if room.state is State.RUNNING and claimant != room.claimant:
            return Refusal.TAKEN
        if room.state is State.WAITING:
            return Refusal.WAITING
        if not room.open:
            return Refusal.OVER
        room.state, room.claimant, room.expired, room.waited = State.RUNNING, claimant, False, False
        if room.told:
            self.to_tell.add(room.sid)
        room.told = False
        self.admission.claim(room.sid, room.tenant)
        return None

    def renew(self, room: RoomModel, attempt: int) -> Lease:
        if not room.runs(attempt):
            return Lease.LOST
        room.expired = False
        return Lease.CLOSING if room.closing else Lease.KEPT

    def keep_conversation(self, room: RoomModel, attempt: int) -> bool:
        room.conversation |= room.runs(attempt)
        return room.runs(attempt)

    def end(self, room: RoomModel, attempt: int) -> bool:
        if not room.runs(attempt):
            return False
        self.end_room(room, State.ENDED)
        self.records.append((room.sid, attempt))
        return True

    def close(self, room: RoomModel) -> Closed:
        if room.state is State.RUNNING:
            room.closing = True
            return Closed.CLOSING
        if room.state not in {None, State.WAITING, State.QUEUED}:
            return Closed.ALREADY_OVER
        closed = Closed.UNKNOWN if room.state is None else Closed.CANCELLED
        self.end_room(room, State.CANCELLED)
        return closed

    def lose(self, room: RoomModel, attempt: int, how: Losing, most: int) -> Lost:
        if not room.runs(attempt) or (how is Losing.IF_EXPIRED and not room.expired):
            return Lost.STALE
        uncounted = room.uncounted + (how is Losing.HANDED_OVER)
        if room.closing:
            self.end_room(room, State.ENDED)
            self.records.append((room.sid, attempt))
            return Lost.CLOSED
        if attempt - uncounted >= most:
            self.end_room(room, State.DEAD)
            self.letters.append((room.sid, attempt))
            return Lost.DEAD
        again = RoomModel(room.sid, room.tenant, State.QUEUED, attempt + 1, uncounted, conversation=room.conversation)
        again.arrived = next(self._arrivals)
        self.rooms[room.sid] = again
        self.admission.take(room.sid, room.tenant)
        self.queue.append((room.sid, attempt + 1))
        return Lost.REQUEUED

    def bury(self, room: RoomModel, attempt: int | None) -> bool:
        if room.state is not None if attempt is None else not room.runs(attempt):
            return False
        self.end_room(room, State.DEAD)
        self.letters.append((room.sid, attempt or 0))
        return True

    def end_waits(self, tier: str, limit: int) -> list[str]:
        ended = [room for room in self.unanswered() if TENANTS[room.tenant] == tier][:limit]
        for room in ended:
            room.becomes(State.DEAD)
            self.letters.append((room.sid, room.attempt))
            self.to_tell.add(room.sid)
            if room.sid in (line := self.admission.line[room.tenant]):
                line.remove(room.sid)
        for room in ended:
            self.admission.leave(room.sid, room.tenant)
        return [room.sid for room in ended]

    def unanswered(self) -> list[RoomModel]:
        """Those who wait for an answer, the longest first."""
        waits = [room for room in self.rooms.values() if room.state in {State.WAITING, State.QUEUED}]
        return sorted(waits, key=lambda room: room.arrived)

    def position(self, room: RoomModel) -> int:
        """Of a room that waits for an answer, among its tenant's, from 1."""
        ahead = [other for other in self.unanswered() if other.tenant == room.tenant and other.arrived <= room.arrived]
        queued = [sid for sid, tenant in self.admission.unclaimed.items() if tenant == room.tenant]
        if room.state is State.QUEUED:
            return sum(other.state is State.QUEUED for other in ahead)
        return len(queued) + sum(other.state is State.WAITING for other in ahead)

    def find_tasks(self, limit: int) -> list[str]:
        found = []
        for room in sorted((room for room in self.rooms.values() if room.waited), key=lambda room: room.sid)[:limit]:
            room.waited = False
            message = (room.sid, room.attempt)
            if message not in self.queue:
                self.queue.append(message)
                found.append(room.sid)
        return found

    def sids(self, *states: State) -> list[str]:
        return sorted(room.sid for room in self.rooms.values() if room.state in states)
