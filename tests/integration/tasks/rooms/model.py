"""A model of the Lua scripts, in Python and without Redis: what each action returns, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TypedDict

from tasks.rooms import (
    ClaimRefusal,
    CloseResult,
    EndRequestResult,
    Limits,
    LossCause,
    OpenResult,
    RenewResult,
    RequeueResult,
    State,
)
from tests.integration.tasks.rooms.admission_model import TENANTS, AdmissionModel

Message = tuple[str, int]
"""A Celery message: the room's sid, and the attempt."""
Record = tuple[object, ...]
"""A record: of a `call`, sid, attempt, its state, its attempts, usage; of an `attempt`, see `_write_attempt`."""


class Told(TypedDict, total=False):
    """Metrics of an attempt that are new."""

    usage: str
    turns: str


@dataclass
class RoomModel:
    """One room. `waited`: its message was seen in a queue so long ago that it is looked for.

    `notified`: its callers know that they wait. `arrived`: the order in which rooms began to wait. `failures`: attempts
    in a row that failed quickly. `delayed`: its message is held back. `lost`: it had a call, which was lost. `claims`:
    the attempts that its call has had. `unopened`: it is dead because it had no tenant. `unwanted`: an operator has
    asked to end it; `moving`: to hand it over. `usage`, `turns`: what the attempt that runs has told of itself.
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
    notified: bool = False
    arrived: int = 0
    refused: bool = False
    failures: int = 0
    delayed: bool = False
    lost: bool = False
    claims: int = 0
    unopened: bool = False
    unwanted: bool = False
    moving: bool = False
    usage: str = "[]"
    turns: str = "{}"

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

    def tells(self, usage: str, turns: str) -> None:
        """Tell what is new of the attempt's usage and turns."""
        self.usage, self.turns = usage or self.usage, turns or self.turns

    def becomes(self, state: State) -> None:
        """Become `state`, which is terminal."""
        self.state = state
        self.conversation = self.waited = self.notified = self.delayed = self.refused = False


@dataclass
class Model:
    """All rooms. `queue`: of all tiers, taken from its end; a tier has its part of it.

    `records`: of calls and attempts. `letters`: sids and attempts. `to_notify`: rooms whose callers were notified that
    they wait, and that no longer do.
    """

    rooms: dict[str, RoomModel] = field(default_factory=dict)
    queue: list[Message] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    letters: list[Message] = field(default_factory=list)
    to_notify: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.admission = AdmissionModel(self._enter)
        self._arrivals = count(1)

    def _enter(self, sid: str) -> None:
        room = self.rooms[sid]
        room.state = State.QUEUED
        self.queue.insert(0, (sid, room.attempt))

    def queue_of(self, tier: str) -> list[Message]:
        return [message for message in self.queue if TENANTS[self.rooms[message[0]].tenant] == tier]

    def _leave_queue(self, room: RoomModel) -> None:
        self.queue = [message for message in self.queue if message[0] != room.sid]

    def end_room(self, room: RoomModel, state: State) -> None:
        room.becomes(state)
        self._leave_queue(room)
        self.admission.release(room.sid, room.tenant)

    def _write_attempt(self, room: RoomModel, ending: str, cause: str = "", *, uncounted: int) -> None:
        self.records.append(("attempt", room.sid, room.attempt, ending, cause, uncounted, room.usage, room.turns))

    def _write_call(self, room: RoomModel, state: str, usage: str = "[]") -> None:
        self.records.append(("call", room.sid, room.attempt, state, room.claims, usage))

    def open(
        self, room: RoomModel, attempt: int, *, replay: bool, after_its_end: bool, limits: Limits | None = None
    ) -> OpenResult:
        replayed = room.unopened or (room.state is State.DEAD and replay)
        if not replayed and not self._is_unanswered(room, after_its_end=after_its_end):
            if (room.state is State.DEAD or (room.unwanted and room.over)) and after_its_end:
                self.to_notify.add(room.sid)
            return OpenResult.BUSY if room.refused else OpenResult.KNOWN
        if attempt != room.attempt + 1:
            return OpenResult.STALE
        again = RoomModel(room.sid, room.tenant, State.WAITING, attempt, uncounted=attempt - 1)
        again.arrived = next(self._arrivals)
        self.rooms[room.sid] = again
        limits = limits or Limits()
        self.admission.caps |= {room.tenant: limits.tenant, TENANTS[room.tenant]: limits.tier}
        self.admission.most_unclaimed = limits.unclaimed
        self.admission.arrive(room.sid, room.tenant)
        if again.state is State.QUEUED:
            return OpenResult.QUEUED
        if limits.waiting is None or len(self.admission.waitlists[room.tenant]) <= limits.waiting:
            return OpenResult.WAITING
        self.end_room(again, State.DEAD)
        again.attempt, again.refused = attempt - 1, True
        self._write_call(again, "refused")
        self.to_notify.add(room.sid)
        return OpenResult.BUSY

    def _is_unanswered(self, room: RoomModel, *, after_its_end: bool) -> bool:
        left = (room.state is State.ENDED and not room.unwanted) or room.refused
        return room.state is None or (left and after_its_end)

    def return_message(self, room: RoomModel, attempt: int) -> bool:
        returned = room.waits(attempt) and not room.delayed
        if returned:
            self._leave_queue(room)
            self.queue.append((room.sid, attempt))
        return returned

    def delay(self, room: RoomModel, attempt: int) -> bool:
        if room.waits(attempt):
            self._leave_queue(room)
            room.delayed = True
        return room.waits(attempt)

    def claim(self, room: RoomModel, attempt: int, claimant: str) -> ClaimRefusal | None:
        if room.state is None:
            return ClaimRefusal.UNKNOWN
        if attempt != room.attempt or not (room.attempt or room.refused):
            return ClaimRefusal.STALE
        if room.state is State.RUNNING and claimant != room.claimant:
            return ClaimRefusal.TAKEN
        if room.state is State.WAITING:
            return ClaimRefusal.WAITING
        if not room.open:
            return ClaimRefusal.OVER
        room.claims += room.state is State.QUEUED
        room.state, room.claimant, room.expired, room.waited = State.RUNNING, claimant, False, False
        if room.notified:
            self.to_notify.add(room.sid)
        room.notified, room.delayed = False, False
        self._leave_queue(room)
        self.admission.claim(room.sid, room.tenant)
        return None

    def renew(self, room: RoomModel, attempt: int, *, usage: str = "", turns: str = "") -> RenewResult:
        if not room.runs(attempt):
            return RenewResult.LOST
        room.tells(usage, turns)
        room.expired = False
        if room.closing:
            return RenewResult.CLOSING
        return RenewResult.MOVING if room.moving else RenewResult.RENEWED

    def save_conversation(self, room: RoomModel, attempt: int) -> RenewResult:
        room.conversation |= room.runs(attempt)
        return self.renew(room, attempt)

    def end(self, room: RoomModel, attempt: int, *, usage: str = "", turns: str = "") -> bool:
        if not room.runs(attempt):
            return False
        room.tells(usage, turns)
        self._write_attempt(room, "ended", uncounted=room.uncounted)
        self._end(room)
        return True

    def _end(self, room: RoomModel) -> None:
        self.end_room(room, State.ENDED)
        self._write_call(room, "ended", room.usage)
        if room.unwanted:
            self.to_notify.add(room.sid)

    def request_end(self, room: RoomModel) -> EndRequestResult:
        if not room.open:
            return EndRequestResult.UNKNOWN if room.state is None else EndRequestResult.OVER
        room.unwanted = True
        if room.state is State.RUNNING:
            room.closing = True
            return EndRequestResult.ENDING
        self._end(room)
        return EndRequestResult.ENDED

    def request_move(self, room: RoomModel, attempt: int) -> bool:
        moving = room.runs(attempt) and not room.closing
        room.moving |= moving
        return moving

    def close(self, room: RoomModel, *, missing: bool = False) -> CloseResult:
        if room.state is State.RUNNING and missing:
            return CloseResult.RUNNING
        if room.state is State.RUNNING:
            room.closing = True
            return CloseResult.CLOSING
        if room.state not in {None, State.WAITING, State.QUEUED}:
            return CloseResult.ALREADY_OVER
        closed = CloseResult.UNKNOWN if room.state is None else CloseResult.CANCELLED
        state = State.ENDED if room.lost or missing else State.CANCELLED
        self.end_room(room, state)
        if closed is CloseResult.CANCELLED:
            self._write_call(room, state)
        return closed

    def requeue(
        self, room: RoomModel, attempt: int, cause: LossCause, most: int, *, usage: str = "", turns: str = ""
    ) -> RequeueResult:
        if not room.runs(attempt) or (cause is LossCause.LEASE_EXPIRED and not room.expired):
            return RequeueResult.STALE
        uncounted = room.uncounted + (not cause.counted)
        room.tells(usage, turns)
        if cause is LossCause.HANDED_OVER:
            self._write_attempt(room, "handed_over", uncounted=uncounted)
        else:
            self._write_attempt(room, "lost", cause, uncounted=uncounted)
        if room.closing:
            self._end(room)
            return RequeueResult.CLOSED
        if attempt - uncounted >= most:
            self.end_room(room, State.DEAD)
            self._write_call(room, "dead", room.usage)
            self.letters.append((room.sid, attempt))
            self.to_notify.add(room.sid)
            return RequeueResult.DEAD
        again = RoomModel(room.sid, room.tenant, State.QUEUED, attempt + 1, uncounted, conversation=room.conversation)
        again.arrived, again.lost, again.claims = next(self._arrivals), True, room.claims
        self.rooms[room.sid] = again
        self.admission.acquire(room.sid, room.tenant)
        again.failures = room.failures + 1 if cause.backs_off else 0
        again.delayed = again.failures > 1
        if not again.delayed:
            self.queue.append((room.sid, attempt + 1))
        return RequeueResult.REQUEUED

    def queue_delayed_rooms(self) -> list[str]:
        due = sorted(room.sid for room in self.rooms.values() if room.delayed)
        for sid in due:
            self.rooms[sid].delayed = False
            self.queue.append((sid, self.rooms[sid].attempt))
        return due

    def dead_letter(self, room: RoomModel, attempt: int, *, usage: str = "", turns: str = "") -> bool:
        if not room.runs(attempt):
            return False
        room.tells(usage, turns)
        self._write_attempt(room, "dead", uncounted=room.uncounted)
        self._die(room, attempt)
        return True

    def dead_letter_without_a_tenant(self, room: RoomModel, *, after_its_end: bool) -> bool:
        if not self._is_unanswered(room, after_its_end=after_its_end):
            if room.state is State.DEAD or (room.unwanted and room.over and after_its_end):
                self.to_notify.add(room.sid)
            return False
        self.rooms[room.sid] = unopened = RoomModel(room.sid, room.tenant, attempt=room.attempt, unopened=True)
        self._die(unopened, 0)
        return True

    def _die(self, room: RoomModel, attempt: int) -> None:
        self.end_room(room, State.DEAD)
        self._write_call(room, "dead", room.usage)
        self.letters.append((room.sid, attempt))
        self.to_notify.add(room.sid)

    def expire_waits(self, tier: str, limit: int) -> list[str]:
        ended = [room for room in self.unanswered() if TENANTS[room.tenant] == tier][:limit]
        for room in ended:
            room.becomes(State.DEAD)
            self._leave_queue(room)
            self._write_call(room, "dead")
            self.letters.append((room.sid, room.attempt))
            self.to_notify.add(room.sid)
            if room.sid in (waitlist := self.admission.waitlists[room.tenant]):
                waitlist.remove(room.sid)
        for room in ended:
            self.admission.release(room.sid, room.tenant)
        return [room.sid for room in ended]

    def unanswered(self) -> list[RoomModel]:
        """Return the rooms that wait to be claimed, the longest first."""
        waits = [room for room in self.rooms.values() if room.state in {State.WAITING, State.QUEUED}]
        return sorted(waits, key=lambda room: room.arrived)

    def position(self, room: RoomModel) -> int:
        """Return the position of a room that waits, among its tenant's, from 1."""
        ahead = [other for other in self.unanswered() if other.tenant == room.tenant and other.arrived <= room.arrived]
        queued = [sid for sid, tenant in self.admission.unclaimed.items() if tenant == room.tenant]
        if room.state is State.QUEUED:
            return sum(other.state is State.QUEUED for other in ahead)
        return len(queued) + sum(other.state is State.WAITING for other in ahead)

    def requeue_lost_messages(self, limit: int) -> list[str]:
        requeued = []
        for room in sorted((room for room in self.rooms.values() if room.waited), key=lambda room: room.sid)[:limit]:
            room.waited = False
            message = (room.sid, room.attempt)
            if message not in self.queue and not room.delayed:
                self.queue.append(message)
                requeued.append(room.sid)
        return requeued

    def sids(self, *states: State) -> list[str]:
        return sorted(room.sid for room in self.rooms.values() if room.state in states)
