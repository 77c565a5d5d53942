"""The outcome of a call, and who ended it.

A call that nobody ended on purpose has failed: it has an error instead of an outcome (`pipeline.errors`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from livekit import rtc

from pipeline.errors import AgentWithdrawn, LiveKitLost, PipelineError


class EndedBy(StrEnum):
    """The party that ended a call.

    CALLERS: nobody came, all have left, or the room was finished on the LiveKit server. A caller who comes back is
    answered again. AGENT: it shut down, rejected the request or was removed from the room; the room belongs to the
    people in it. LIMIT: the maximum length.
    """

    CALLERS = "callers"
    AGENT = "agent"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """The end of a call.

    `room_made`: the sid of a room that its agent has made by joining one that was gone, and in which nobody calls.
    """

    reason: str
    ended_by: EndedBy
    room_made: str = ""


ROOM_FINISHED = CallOutcome("room finished", EndedBy.CALLERS)
"""LiveKit has said so, to the agent or in a webhook."""
ROOM_GONE = CallOutcome("room gone", EndedBy.CALLERS)
"""LiveKit has no such room, as the agent has found by itself."""

End = CallOutcome | Exception
"""The end of a call: its outcome, or the error that another attempt may mend."""

_Reason = rtc.DisconnectReason

_OUTCOMES: Mapping[int, CallOutcome] = {
    _Reason.CLIENT_INITIATED: CallOutcome("the agent left the room", EndedBy.AGENT),
    # By an operator or a backend, who do not want it back, or by the next attempt, which has the room then: what this
    # one writes is stale.
    _Reason.PARTICIPANT_REMOVED: CallOutcome("the agent was removed from the room", EndedBy.AGENT),
    _Reason.ROOM_DELETED: ROOM_FINISHED,
    _Reason.ROOM_CLOSED: ROOM_FINISHED,
}


def end_by_disconnect(reason: int) -> CallOutcome | PipelineError:
    """Return the end of a call whose agent was disconnected from its room for this `rtc.DisconnectReason`.

    All others than these are faults of the network, of the LiveKit server or of this host (UNKNOWN_REASON: the client
    has given up reconnecting; SERVER_SHUTDOWN, STATE_MISMATCH, JOIN_FAILURE, MIGRATION, SIGNAL_CLOSE,
    CONNECTION_TIMEOUT, MEDIA_FAILURE), or do not happen to an agent (USER_UNAVAILABLE, USER_REJECTED,
    SIP_TRUNK_FAILURE, AGENT_ERROR).
    """
    if reason == _Reason.DUPLICATE_IDENTITY:
        # The identity carries the attempt: another run of the same one.
        return AgentWithdrawn(reason="another participant joined with its identity")
    outcome = _OUTCOMES.get(reason)
    name = _Reason.Name(_Reason.ValueType(reason)) if reason in _Reason.values() else str(reason)
    return outcome or LiveKitLost(problem=f"disconnected, {name}")
