"""What the Lua scripts promise, once more in Python and without Redis: what each action answers, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass, field

from tasks.rooms import Closed, Found, Lease, Losing, Lost, Refusal, State

Message = tuple[str, int]
"""A task: the room's sid, and the attempt."""


@dataclass
class RoomModel:
    """One room. `waited`: its task was seen in a queue so long ago that it may be looked for."""

    sid: str
    state: State | None = None
    attempt: int = 0
    uncounted: int = 0
    claimant: str = ""
    closing: bool = False
    expired: bool = False
    waited: bool = False
    conversation: bool = False

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
        self.state, self.conversation, self.waited = state, False, False


@dataclass
class Model:
    """All rooms. `queue`: as in Redis, taken from its end. `records` and `letters`: of which room's which attempt."""

    rooms: dict[str, RoomModel] = field(default_factory=dict)
    queue: list[Message] = field(default_factory=list)
    records: list[Message] = field(default_factory=list)
    letters: list[Message] = field(default_factory=list)

    def open(self, room: RoomModel, attempt: int, *, replay: bool, after_its_end: bool) -> Found:
        replayed = room.state is State.DEAD and replay
        back = room.state is State.ENDED and after_its_end
        if room.state is not None and not replayed and not back:
            return Found.KNOWN
        if attempt != room.attempt + 1:
            return Found.AHEAD
        self.rooms[room.sid] = RoomModel(room.sid, State.QUEUED, attempt, uncounted=attempt - 1)
        self.queue.insert(0, (room.sid, attempt))
        return Found.OPENED

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
        if not room.open:
            return Refusal.OVER
        room.state, room.claimant, room.expired, room.waited = State.RUNNING, claimant, False, False
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
        room.becomes(State.ENDED)
        self.records.append((room.sid, attempt))
        return True

    def close(self, room: RoomModel) -> Closed:
        if room.state is State.RUNNING:
            room.closing = True
            return Closed.CLOSING
        if room.state not in {None, State.QUEUED}:
            return Closed.ALREADY_OVER
        closed = Closed.UNKNOWN if room.state is None else Closed.CANCELLED
        room.becomes(State.CANCELLED)
        return closed

    def lose(self, room: RoomModel, attempt: int, how: Losing, most: int) -> Lost:
        if not room.runs(attempt) or (how is Losing.IF_EXPIRED and not room.expired):
            return Lost.STALE
        uncounted = room.uncounted + (how is Losing.HANDED_OVER)
        if room.closing:
            room.becomes(State.ENDED)
            self.records.append((room.sid, attempt))
            return Lost.CLOSED
        if attempt - uncounted >= most:
            room.becomes(State.DEAD)
            self.letters.append((room.sid, attempt))
            return Lost.DEAD
        again = RoomModel(room.sid, State.QUEUED, attempt + 1, uncounted, conversation=room.conversation)
        self.rooms[room.sid] = again
        self.queue.append((room.sid, attempt + 1))
        return Lost.REQUEUED

    def bury(self, room: RoomModel, attempt: int | None) -> bool:
        if room.state is not None if attempt is None else not room.runs(attempt):
            return False
        room.becomes(State.DEAD)
        self.letters.append((room.sid, attempt or 0))
        return True

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
