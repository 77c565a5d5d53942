"""The states of a room and of a worker, and the results of the actions on a room.

The Lua scripts return these very words.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """The state of a room. The first three are open; the others are terminal, until the room is opened again."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"
    CANCELLED = "cancelled"
    DEAD = "dead"

    @property
    def is_open(self) -> bool:
        """True while a caller waits for an agent, or talks to one."""
        return self in {State.WAITING, State.QUEUED, State.RUNNING}


class OpenResult(StrEnum):
    """The result of opening a room.

    QUEUED: opened, and its message is in its queue.
    WAITING: opened, but it waits for a permit.
    BUSY: refused, because its tenant has as many waiting rooms as it may have.
    KNOWN: it was opened before; nothing was changed.
    STALE: it may be opened again, but `attempt` is not one more than it has had; nothing was changed.
    """

    QUEUED = "queued"
    WAITING = "waiting"
    BUSY = "busy"
    KNOWN = "known"
    STALE = "stale"


class ClaimRefusal(StrEnum):
    """The reason why a claim was refused. None of them is an error: another task has done, or will do, the work.

    UNKNOWN: no such room. STALE: the room has had later attempts. TAKEN: another claimant has this attempt.
    WAITING: the room waits for a permit. OVER: the room has ended, was cancelled, or is dead.
    """

    UNKNOWN = "unknown"
    STALE = "stale"
    TAKEN = "taken"
    WAITING = "waiting"
    OVER = "over"


class RenewResult(StrEnum):
    """The result of renewing a lease.

    RENEWED: the claim holds. CLOSING: it holds, but the room has finished, or somebody has asked to end the call, so
    the call has to end. MOVING: it holds, but an operator has asked to hand the call over.
    LOST: the claim no longer holds, so the agent has to leave the room at once.
    """

    RENEWED = "renewed"
    CLOSING = "closing"
    MOVING = "moving"
    LOST = "lost"


class CloseResult(StrEnum):
    """The result of closing a room that has finished on the LiveKit server.

    CANCELLED: it had not been claimed. CLOSING: its call runs and is asked to end.
    UNKNOWN: it was never opened, and now cannot be. ALREADY_OVER: nothing was changed. RUNNING: a list lacks it,
    and its call runs; nothing was changed.
    """

    CANCELLED = "cancelled"
    CLOSING = "closing"
    UNKNOWN = "unknown"
    ALREADY_OVER = "over"
    RUNNING = "running"


class EndedBy(StrEnum):
    """The one who ended a room. Only one whose callers have left is opened again when a caller comes back.

    CALLERS: nobody came, the last one left, or the room finished on the LiveKit server. AGENT: on purpose; the room
    belongs to the people in it. LIMIT: one of ours, or nobody could answer. OPERATOR: an operator, or a backend with an
    API key; the room is deleted.
    """

    CALLERS = "callers"
    AGENT = "agent"
    LIMIT = "limit"
    OPERATOR = "operator"


class CallEnd(NamedTuple):
    """The end of a call as it was written. A request to end it comes before what its attempt has met with."""

    outcome: str
    ended_by: EndedBy


class EndRequestResult(StrEnum):
    """The result of a request to end a call.

    ENDING: its attempt is asked to end it, and does so within seconds. ENDED: it had not been claimed, and is over.
    OVER: it was over before. UNKNOWN: there is no such room, or it is another tenant's.
    """

    ENDING = "ending"
    ENDED = "ended"
    OVER = "over"
    UNKNOWN = "unknown"


class AttemptEnding(StrEnum):
    """The way in which an attempt has ended, as its record says.

    ENDED: its call is over, as it should be. LOST: it has failed, or was killed, or its lease has expired; the next
    attempt goes on, if one is left and the room has not finished. HANDED_OVER: the next attempt goes on, and the caller
    has not noticed it. DEAD: it has met a fault that no attempt can mend.
    """

    ENDED = "ended"
    LOST = "lost"
    HANDED_OVER = "handed_over"
    DEAD = "dead"


class CallState(StrEnum):
    """The state of a call that is over, as its record says: the room's, or REFUSED.

    ENDED: somebody has ended it; without an attempt, a caller who gave up. CANCELLED: its caller gave up before it was
    claimed. DEAD: nobody could answer it. REFUSED: its tenant had too many waiting rooms.
    """

    ENDED = "ended"
    CANCELLED = "cancelled"
    DEAD = "dead"
    REFUSED = "refused"


class PublicReason(StrEnum):
    """The reason for the end of a room that its callers may read, in the attribute `switchboard.reason`.

    BUSY: nobody was free for them in time. UNAVAILABLE: nobody could answer. ENDED: the call reached a limit, or was
    ended by an operator.
    """

    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    ENDED = "ended"


class LossCause(StrEnum):
    """The cause for which an attempt loses its call.

    LEASE_EXPIRED: only if the lease has expired; one that was renewed meanwhile keeps its call.
    NOT_ITS_FAULT: the host, the LiveKit server or Redis failed, so this is no failed attempt.
    HANDED_OVER: between two turns, to another worker; no failed attempt either.
    AGENT_ABSENT: the LiveKit server has a caller in the room and no agent; no failed attempt either.
    """

    FAILED = "failed"
    LEASE_EXPIRED = "lease expired"
    NOT_ITS_FAULT = "not its fault"
    HANDED_OVER = "handed over"
    AGENT_ABSENT = "agent absent"

    @property
    def counted(self) -> bool:
        """True if it uses up one of the attempts."""
        return self in {LossCause.FAILED, LossCause.LEASE_EXPIRED}

    @property
    def backs_off(self) -> bool:
        """True if the next attempt has to wait after several quick failures."""
        return self in {LossCause.FAILED, LossCause.NOT_ITS_FAULT}


class RequeueResult(StrEnum):
    """The result of requeuing a room whose call was lost.

    REQUEUED: its next attempt is in the queue. DEAD: the attempts are used up; a dead letter was written.
    CLOSED: the room had finished meanwhile, so the call has ended and has its records.
    STALE: the attempt no longer has the call, or its lease was renewed meanwhile; nothing was changed.
    """

    REQUEUED = "requeued"
    DEAD = "dead"
    CLOSED = "closed"
    STALE = "stale"


class Intake(StrEnum):
    """The state of a worker's intake gate: open, or the reason why it is closed.

    NO_SLOT: no child is idle: all have calls, or the next one is starting. MEMORY: nor is there memory for another.
    """

    OPEN = "open"
    NO_SLOT = "no idle slot"
    MEMORY = "no memory for another call"
    LOAD = "load over the threshold"
    RESERVED = "load reserved by calls just started"
    PREWARM = "children cannot be prewarmed"
    FAILING = "calls fail"
    YIELDING = "a failed call goes to another worker"
    DRAINING = "draining"
